#!/bin/sh
# Puts the sources of rust-eureka, tests included and as they were published, into the folder rust-eureka of the current
# directory, and a workspace of its own around them, whatever lies above.
set -eu
rm -rf fetch rust-eureka
printf '[workspace]\nmembers = ["rust-eureka"]\nresolver = "2"\n' > Cargo.toml
mkdir -p fetch/src
: > fetch/src/lib.rs
printf '[package]\nname = "fetch"\nedition = "2021"\n[dependencies]\nrust-eureka = "=0.2.0"\n[workspace]\n' > fetch/Cargo.toml
(cd fetch && cargo vendor --quiet vendor > /dev/null)
mv fetch/vendor/rust-eureka rust-eureka
rm -rf fetch
