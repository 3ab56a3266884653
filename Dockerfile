# Ringside alone, without a Postgres: set DATABASE_URL (and, with more than one container, REDIS_URL).
#
#   docker build -t ringside --build-arg VERSION=$(git describe --tags --always) .
#   docker run -p 8080:8080 -v ringside:/data -e DATABASE_URL=… -e RINGSIDE_PUBLIC_URL=… ringside

FROM node:22-bookworm-slim AS web
WORKDIR /src
COPY internal/dashboard/web/package.json internal/dashboard/web/package-lock.json internal/dashboard/web/
COPY scripts scripts
RUN mkdir -p internal/dashboard/assets/vendor && CI=1 scripts/web.sh

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=web /src/internal/dashboard/assets/vendor internal/dashboard/assets/vendor
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /out/ringside ./cmd/ringside
RUN mkdir /out/data /out/tmp && chmod 1777 /out/tmp

FROM scratch
# For Twilio's API and for databases and runtimes behind TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/ringside /ringside
COPY --from=build /out/tmp /tmp
# A new volume takes its owner from here.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV RINGSIDE_LISTEN=0.0.0.0:8080 \
    RINGSIDE_OPS_LISTEN=0.0.0.0:8081 \
    RINGSIDE_DATA_DIR=/data
VOLUME /data
# 8080 is for Twilio and people; 8081, health and metrics, is not to be published.
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/ringside", "healthcheck"]
# TERM drains calls: give `docker stop` the time that the drain takes, with -t.
ENTRYPOINT ["/ringside"]
CMD ["serve"]
