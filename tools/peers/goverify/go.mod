module goverify

go 1.20
