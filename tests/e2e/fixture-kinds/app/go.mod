module example.com/kinds/app

go 1.25
