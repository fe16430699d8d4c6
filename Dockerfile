# authproxy in a container. docs/deploying.md says how it is run; `make image` builds and tries it without an engine.
#
#   docker build -t authproxy .
#   docker run --read-only -p 127.0.0.1:8080:8080 -v ./config:/etc/authproxy:ro -v authproxy:/var/lib/authproxy authproxy
#
# In config/authproxy.yaml: listen: 0.0.0.0:8080, store: sqlite:////var/lib/authproxy/authproxy.db and
# state_directory: /var/lib/authproxy. After an update: docker run ... authproxy db migrate

ARG PYTHON=python:3.13-slim-trixie

FROM ${PYTHON} AS build
WORKDIR /src
# An environment without pip: nothing is installed where it runs.
RUN python -m venv --without-pip /opt/authproxy
COPY pyproject.toml README.md LICENSE ./
COPY authproxy authproxy
# Compiled here: where it runs, nothing can be written beside the modules.
RUN python -m pip --python /opt/authproxy/bin/python install --no-cache-dir --compile ".[postgres]"

FROM ${PYTHON}
ARG PYTHON
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="authproxy" \
      org.opencontainers.image.description="Scoped API keys for a private Python package index that nobody has to change" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${PYTHON}"
COPY --from=build /opt/authproxy /opt/authproxy
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/authproxy
# By number, so that an orchestrator can see that it is not root (runAsNonRoot). It writes to the volume and nowhere else.
USER 10001:10001
VOLUME /var/lib/authproxy
ENV PATH=/opt/authproxy/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AUTHPROXY_CONFIG=/etc/authproxy/authproxy.yaml
EXPOSE 8080
# The program asks itself; there is no shell in it, and no curl is needed. The address is that of `listen` above and is
# not read from the configuration, so that a mistake in the file, which changes nothing, makes no container unhealthy.
HEALTHCHECK --interval=30s --timeout=6s --start-period=30s --retries=3 CMD ["authproxy", "probe", "http://127.0.0.1:8080/"]
ENTRYPOINT ["authproxy"]
CMD ["serve"]
