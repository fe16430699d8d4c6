# docker build -t authproxy .
# docker run -p 8080:8080 -v ./authproxy.yaml:/etc/authproxy/authproxy.yaml:ro -v authproxy:/var/lib/authproxy authproxy
# In the config: listen: 0.0.0.0:8080, store: sqlite:////var/lib/authproxy/authproxy.db, state_directory: /var/lib/authproxy

FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY authproxy authproxy
RUN python -m venv /opt/authproxy && /opt/authproxy/bin/pip install --no-cache-dir .

FROM python:3.13-slim
COPY --from=build /opt/authproxy /opt/authproxy
# By number, so that an orchestrator can see that it is not root. Nothing but the state directory is written to.
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/authproxy
USER 10001:10001
VOLUME /var/lib/authproxy
ENV PATH=/opt/authproxy/bin:$PATH PYTHONUNBUFFERED=1 AUTHPROXY_CONFIG=/etc/authproxy/authproxy.yaml
EXPOSE 8080
CMD ["sh", "-c", "authproxy db migrate && exec authproxy serve"]
