# pypiserver as authproxy is tested with it. An index that is there already goes on as it is: see docs/deploying.md.
ARG PYTHON=python:3.13-slim-trixie
FROM ${PYTHON}
RUN python -m venv --without-pip /opt/index && \
    python -m pip --python /opt/index/bin/python install --no-cache-dir \
      pypiserver==2.4.2 waitress==3.0.2 legacy-cgi==2.6.4 && \
    install -d -o 10002 -g 10002 -m 0700 /srv/packages
USER 10002:10002
VOLUME /srv/packages
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 8081
ENTRYPOINT ["/opt/index/bin/pypi-server"]
# Unknown projects are not looked for on PyPI: drop --disable-fallback where readers rely on that.
CMD ["run", "-i", "0.0.0.0", "-p", "8081", "-P", ".", "-a", ".", "--server", "waitress", "--disable-fallback", "/srv/packages"]
