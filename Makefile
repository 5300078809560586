# The only commands to know. The scripts behind them are in dev/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up down start stop status demo clean-data servers test check fmt sqlx openapi audit bench-gateway bench-registry bench-logins

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

up: ## build and start the fleet, with private backing servers; INSTANCES=2 for two of each domain service
	@dev/fleet up

down: ## stop what `make up` started; the data stay
	@dev/fleet down

start: ## start one that was stopped or killed: make start NAME=user-service
	@dev/fleet start '$(NAME)'

stop: ## stop one: make stop NAME=user-service
	@dev/fleet stop '$(NAME)'

status: ## what runs, with process, port and memory
	@dev/fleet status

demo: ## the story of one visit, against the fleet that runs here or under Compose
	@dev/fleet demo

clean-data: ## stop everything and remove databases, secrets and mails
	@dev/fleet clean-data

servers: ## only the backing servers, for running tests by hand (then: . .dev/test.env)
	@dev/servers up

test: ## every test, on real servers; stops what it started
	@dev/check test

check: ## what a change must pass: format, lints, docs, generated files, tests
	@dev/check all

fmt: ## format the sources
	@cargo fmt --all

sqlx: ## write anew what the build knows about the queries, after changing SQL or a migration
	@dev/sqlx write

openapi: ## write anew the document of the whole API, after changing an endpoint
	@UPDATE_OPENAPI=1 cargo test --locked --workspace --test openapi

audit: ## known weaknesses in dependencies, if cargo-audit and its database are there
	@dev/check audit

bench-gateway: ## the gateway beside nginx and HAProxy, which it installs; about ten minutes
	@bench/gateway

bench-registry: ## how soon the gateway follows the registry, and what ten thousand instances cost; about six minutes
	@bench/registry

bench-logins: ## logins per second against bare password hashes; a minute once it is built
	@dev/check logins
