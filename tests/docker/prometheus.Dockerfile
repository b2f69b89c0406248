# Debian's Prometheus, with the command line and the paths of the image that its makers publish.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update -q && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends prometheus && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* && \
    install -d -o nobody -g nogroup /prometheus
USER nobody
ENTRYPOINT ["prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
