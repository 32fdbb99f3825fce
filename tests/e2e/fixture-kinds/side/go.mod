module example.com/kinds/side

go 1.25
