#!/bin/sh
# Puts the sources of rust-eureka, tests included, into the folder rust-eureka of the current directory.
set -eu
rm -rf probe rust-eureka
cargo new --quiet --vcs none probe
cd probe
cargo add --quiet rust-eureka@=0.2.0
cargo vendor --quiet vendor >/dev/null
mv vendor/rust-eureka ../rust-eureka
cd ..
rm -rf probe
# A workspace of its own, whatever lies above; and no wish for a particular toolchain.
printf '\n[workspace]\n' >> rust-eureka/Cargo.toml
rm -f rust-eureka/rust-toolchain.toml
