module claviger/peers/vault

go 1.25

require (
	github.com/hashicorp/vault v1.13.1
	github.com/hashicorp/vault/sdk v0.8.1
)
