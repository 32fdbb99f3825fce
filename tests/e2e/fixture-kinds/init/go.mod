module example.com/kinds/init

go 1.25
