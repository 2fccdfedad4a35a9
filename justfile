# Recipes for contributors; `.ci/run` runs the same and more. `just` is optional: each recipe is one or two lines of
# cargo.

# Lists the recipes
default:
    @{{ just_executable() }} --list --unsorted

# Starts the add-on, on SQLite unless DATABASE_URL or config.json sets another store
run *arguments:
    cargo run -- {{ arguments }}

# Rebuilds and restarts the add-on when code, a template, a static file or a setting changes (needs entr)
dev:
    #!/usr/bin/env bash
    # entr exits with 2 when a file was added, and restarts with the new list of files; a front end that Vite builds
    # into static/app needs no restart
    while find src crates templates static migrations ./*.json Cargo.toml -type f -not -path 'static/app/*' \
        | entr -dnrs 'cargo build && exec target/debug/atlassian-connect-actix'; [ $? -eq 2 ]; do :; done

# Runs the tests that only need cargo; `just test pages` runs those with "pages" in their name
test *filter:
    cargo test {{ filter }}

# Runs one of the framework's benches: forge, signing, tenants, or siege
bench name *arguments:
    cargo build --release --example conformance
    cargo bench -p atlassian-connect-actix --bench {{ name }} -- {{ arguments }}

# Formats the code
fmt:
    cargo fmt

# Checks formatting and lints
lint:
    cargo fmt --check
    cargo clippy --workspace --all-targets -- -D warnings

# Builds the library's documentation and opens it
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --open

# Runs the pending migrations of the configured store
migrate:
    cargo run -- migrate

# Checks the add-on in its environment, and says what to do
doctor:
    cargo run -- doctor

# Validates the descriptor, also against Atlassian's schema
descriptor *arguments:
    cargo run --features schema -- descriptor --validate {{ arguments }}

# Checks that the vectors of atlassian-connect-actix match what Atlassian's own library computes (needs node and npm)
vectors:
    cd tests/vectors && npm ci && node make.mjs --check

# Lints the Forge manifests made from descriptors with Forge's own package (needs node and npm)
manifests *descriptors:
    cargo build
    cd tests/forge && npm ci
    node tests/forge/manifests.mjs target/debug/atlassian-connect-actix atlassian-connect.json {{ descriptors }}

# Tests the sandbox in Chromium (needs node, npm and Debian's chromium); `just browser --only theme`
browser *arguments:
    cargo build
    cd tests/browser && npm ci && node run.mjs ../../target/debug/atlassian-connect-actix {{ arguments }}

# Runs the store's tests on real PostgreSQL and MariaDB servers (needs Debian's postgresql and mariadb-server, and openssl)
server-tests:
    #!/usr/bin/env bash
    set -euo pipefail
    dir=$(mktemp -d)
    trap '.ci/servers stop "$dir"' EXIT
    # in two steps: eval would hide a failure
    settings=$(.ci/servers start "$dir" postgres mariadb)
    eval "$settings"
    cargo test -p atlassian-connect-store --features mysql -- --include-ignored

# Runs the store's tests on real Redis servers that it starts (needs Debian's redis-server, and openssl)
redis-tests:
    #!/usr/bin/env bash
    set -euo pipefail
    dir=$(mktemp -d)
    trap '.ci/servers stop "$dir"' EXIT
    settings=$(.ci/servers start "$dir" redis)
    eval "$settings"
    cargo test -p atlassian-connect-store --features redis --lib redis -- --include-ignored

# Runs the store's tests on a MongoDB emulator that it starts (needs Debian's python3-venv, and openssl)
mongodb-tests:
    #!/usr/bin/env bash
    set -euo pipefail
    dir=$(mktemp -d)
    trap '.ci/servers stop "$dir"' EXIT
    settings=$(.ci/servers start "$dir" mongodb)
    eval "$settings"
    cargo test -p atlassian-connect-store --features mongodb --lib mongodb -- --include-ignored

# Checks licences, advisories and bans of the dependencies (needs cargo-deny)
deny:
    cargo deny --workspace check

# Runs all checks that a change must pass
ci:
    .ci/run
