# The broker as an image: one program, no volume, all settings from the environment.
#   docker build --build-arg GIT_SHA="$(git rev-parse --short HEAD)" --tag peermesh .

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY core core
COPY store store
COPY migrations migrations
COPY runtime-smol runtime-smol
COPY runtime-threads runtime-threads
COPY cli cli
COPY conformance conformance
COPY fuzz fuzz
COPY bench bench
RUN cargo build --release --locked --package peermesh-cli

FROM debian:bookworm-slim
# The roots that `sslmode=verify-full` trusts where the database's URL names none.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/peermesh /usr/local/bin/peermesh
ARG GIT_SHA
ENV GIT_SHA=$GIT_SHA
# Without a home there is no data directory: what must last is in Postgres.
USER 1000:1000
EXPOSE 7900
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 CMD ["peermesh", "health"]
ENTRYPOINT ["peermesh"]
CMD ["serve"]
