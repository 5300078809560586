# One build of the workspace, then one small image for each service.
#   docker build --target user-service .

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# Registry and artefacts stay between builds in caches, so the binaries are copied out of them here.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --workspace --exclude api-gateway --bins \
    && cargo build --locked --profile edge -p api-gateway --bins \
    && mkdir /binaries \
    && find target/release target/edge -maxdepth 1 -type f -executable -exec cp {} /binaries/ \;

RUN deploy/compose/describe-build /build-info

# What all images share: certificates for calls to the outside, a start script that reads secrets, no root.
FROM debian:bookworm-slim AS base
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --chmod=755 deploy/compose/start deploy/compose/healthcheck /usr/local/bin/
COPY --from=build /build-info /build-info
ENV SERVER_HOST=0.0.0.0
STOPSIGNAL SIGTERM
ENTRYPOINT ["start"]

# Makes the secrets of a new installation; runs as root, once, before anything else.
FROM base AS secrets
COPY --chmod=755 deploy/compose/make-secrets /usr/local/bin/
ENTRYPOINT ["make-secrets"]

FROM mongo:8.0 AS mongo
COPY --chmod=755 deploy/compose/mongo-start dev/mongo.sh /healthcare/
ENTRYPOINT ["/healthcare/mongo-start"]
CMD []

# Every service has a user id of its own, so that it can read its own secrets and no others.
FROM base AS discovery-server
COPY --from=build /binaries/discovery-server /usr/local/bin/
RUN install -d -o 10001 -g 10001 /data
USER 10001:10001
EXPOSE 8761
CMD ["discovery-server"]

FROM base AS config-server
COPY --from=build /binaries/config-server /usr/local/bin/
RUN install -d -o 10002 -g 10002 /data
COPY config /config
ENV CONFIG_FOLDER=/config
USER 10002:10002
EXPOSE 8888
CMD ["config-server"]

FROM base AS api-gateway
COPY --from=build /binaries/api-gateway /usr/local/bin/
RUN install -d -o 10003 -g 10003 /data
USER 10003:10003
EXPOSE 8080
CMD ["api-gateway"]

FROM base AS user-service
COPY --from=build /binaries/user-service /usr/local/bin/
RUN install -d -o 10004 -g 10004 /data
USER 10004:10004
EXPOSE 8081
CMD ["user-service"]

FROM base AS appointment-service
COPY --from=build /binaries/appointment-service /usr/local/bin/
RUN install -d -o 10005 -g 10005 /data
USER 10005:10005
EXPOSE 8082
CMD ["appointment-service"]

FROM base AS medical-record-service
COPY --from=build /binaries/medical-record-service /usr/local/bin/
RUN install -d -o 10006 -g 10006 /data
USER 10006:10006
EXPOSE 8083
CMD ["medical-record-service"]

FROM base AS notification-service
COPY --from=build /binaries/notification-service /usr/local/bin/
RUN install -d -o 10007 -g 10007 /data
USER 10007:10007
EXPOSE 8084
CMD ["notification-service"]

FROM base AS demo
COPY --from=build /binaries/demo /usr/local/bin/
USER 10008:10008
CMD ["demo"]
