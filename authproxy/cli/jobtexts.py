"""The jobs for GitHub and GitLab that `clientlines` fills, with a key and without, as `clienttexts` has it for clients.

A job without a key is two: what is built, and whatever is installed for that, runs where no ID token can be had.
"""

GITHUB = """\
# .github/workflows/authproxy.yml
# The key is the secret <key> of the repository, or better of an environment that the job then names.
name: authproxy
on: push
permissions:
  contents: read
jobs:
"""

_GITHUB_SOURCES = """\
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-python@v6
        with:
          python-version: "3.x"
"""

GITHUB_READ = f"""\
  install:
{_GITHUB_SOURCES}\
      - run: python -m pip install -r requirements.txt
        env:
          PIP_INDEX_URL: <simple with secret>
"""

GITHUB_UPLOAD = f"""\
  upload:
    if: github.ref_type == 'tag'
{_GITHUB_SOURCES}\
      - run: python -m pip install build twine
      - run: python -m build
      - run: python -m twine upload --non-interactive dist/*
        env:
          TWINE_REPOSITORY_URL: <upload>
          TWINE_USERNAME: __token__
          TWINE_PASSWORD: <secret>
"""

GITLAB = """\
# .gitlab-ci.yml
# The key is the CI/CD variable <key> of the project: masked, and protected if your tags are.
"""

GITLAB_READ = """\
install:
  image: python:3
  variables:
    PIP_INDEX_URL: <simple with key>
  script:
    - python -m pip install -r requirements.txt
"""

GITLAB_UPLOAD = """\
upload:
  image: python:3
  rules:
    - if: $CI_COMMIT_TAG
  variables:
    TWINE_REPOSITORY_URL: <upload>
    TWINE_USERNAME: __token__
    TWINE_PASSWORD: $<key>
  script:
    - python -m pip install build twine
    - python -m build
    - python -m twine upload --non-interactive dist/*
"""

GITHUB_TRUSTED = """\
# .github/workflows/release.yml
# There is no key: the proxy takes the ID token of the job `publish`. Among the `publishers` of its configuration stands
# - {kind: github, repository: OWNER/REPOSITORY, workflow: release.yml, environment: pypi, packages: [NAME]}
# What is built runs in a job that may not publish. Protect the environment: it says who may release.
name: release
on:
  push:
    tags: ["*"]
permissions:
  contents: read
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-python@v6
        with:
          python-version: "3.x"
      - run: python -m pip install build
      - run: python -m build
      - uses: actions/upload-artifact@v4
        with:
          name: dist
          path: dist/
  publish:
    needs: build
    runs-on: ubuntu-latest
    environment: pypi
    permissions:
      id-token: write
    steps:
      - uses: actions/setup-python@v6
        with:
          python-version: "3.x"
      - uses: actions/download-artifact@v5
        with:
          name: dist
          path: dist/
"""

GITHUB_TRUSTED_UV = """\
      - run: python -m pip install uv
      - run: uv publish --trusted-publishing always --publish-url <upload>
"""

GITHUB_TRUSTED_TWINE = """\
      # authproxy is not on PyPI: this is the wheel that `make dist` makes in a checkout of it
      - run: python -m pip install twine ./pypi_authproxy-*.whl
      - run: authproxy exec --oidc --url <upload> -- twine upload --non-interactive dist/*
"""

GITLAB_TRUSTED = """\
# .gitlab-ci.yml
# There is no key: the proxy takes the ID token of the job `publish`. Among the `publishers` of its configuration stands
# - {kind: gitlab, project: GROUP/PROJECT, pipeline: .gitlab-ci.yml, environment: pypi, packages: [NAME]}
# and, for a GitLab of your own, its URL as `issuer`. What is built runs in a job that may not publish.
build:
  image: python:3
  rules:
    - if: $CI_COMMIT_TAG
  script:
    - python -m pip install build
    - python -m build
  artifacts:
    paths: [dist/]
publish:
  image: python:3
  needs: [build]
  rules:
    - if: $CI_COMMIT_TAG
  environment: pypi
  timeout: 30 minutes
  id_tokens:
"""

GITLAB_TRUSTED_UV = """\
    <uv variable>:
      aud: <audience>
  script:
    - python -m pip install uv
    - uv publish --trusted-publishing always --publish-url <upload>
"""

GITLAB_TRUSTED_TWINE = """\
    <variable>:
      aud: <audience>
  script:
    # authproxy is not on PyPI: this is the wheel that `make dist` makes in a checkout of it
    - python -m pip install twine ./pypi_authproxy-*.whl
    - authproxy exec --oidc --url <upload> -- twine upload --non-interactive dist/*
"""
