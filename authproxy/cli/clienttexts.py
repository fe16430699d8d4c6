"""The texts that `clientlines` fills: what stands in <angle brackets> is a value of the place, all else is literal.

Knows no values and no purposes; nothing here is computed.
"""

NETRC_LINE = """\
(umask 077; printf '\\nmachine %s login __token__ password %s\\n' <machine> "$<key>" >> ~/.netrc)
"""

NETRC = f"""\
# Adds the key, which is in <key>, to ~/.netrc.
{NETRC_LINE}\
"""

PIP_CONF = f"""\
# ~/.config/pip/pip.conf, or pip.conf in a virtual environment. pip takes the key from ~/.netrc:
#   {NETRC_LINE}\
# It searches this index alone. Do not add PyPI as extra-index-url: pip takes the highest version that any index has,
# and anybody may register your names on PyPI.
[global]
index-url = <simple>
"""

PIP_ENV = """\
# pip searches this index alone. The key is in <key>.
export PIP_INDEX_URL="<simple with key>"
"""

UV_ENV_UPLOAD = """\
# uv publish: the key is in <key>.
export UV_PUBLISH_URL="<upload>"
export UV_PUBLISH_TOKEN="$<key>"
"""

UV_ENV_READ = """\
# uv searches this index first, and PyPI for names that are not here. The key is in <key>.
export UV_INDEX="authproxy=<simple>"
export UV_INDEX_AUTHPROXY_USERNAME=__token__
export UV_INDEX_AUTHPROXY_PASSWORD="$<key>"
"""

UV_FILE = """\
# pyproject.toml. uv takes the key from the environment:
#   export UV_INDEX_AUTHPROXY_USERNAME=__token__ UV_INDEX_AUTHPROXY_PASSWORD="$<key>"
"""

UV_FILE_UPLOAD = """\
#   export UV_PUBLISH_TOKEN="$<key>"
#   uv publish --index authproxy
"""

UV_TABLE = """\
# It searches this index first, and PyPI for names that are not here.
[[tool.uv.index]]
name = "authproxy"
url = "<simple>"
"""

UV_TABLE_UPLOAD = """\
publish-url = "<upload>"
"""

TWINE_ENV = """\
# twine upload dist/*: the key is in <key>.
export TWINE_REPOSITORY_URL="<upload>"
export TWINE_USERNAME=__token__
export TWINE_PASSWORD="$<key>"
"""

PYPIRC = """\
# ~/.pypirc. CLIENT takes the key from the environment:
#   export VARIABLE="$<key>"
#   COMMAND
[distutils]
index-servers =
    authproxy

[authproxy]
repository = <upload>
username = __token__
"""

POETRY_UPLOAD = """\
# poetry publish --repository authproxy
poetry config repositories.authproxy "<upload>"
"""

POETRY_ENV_UPLOAD = """\
# poetry publish --repository authproxy
export POETRY_REPOSITORIES_AUTHPROXY_URL="<upload>"
"""

POETRY_READ = """\
# Once in each project. Then poetry add --source authproxy NAME: poetry asks this index for such names only.
poetry source add --priority=explicit authproxy "<simple>"
"""

POETRY_KEY = """\
# The key is in <key>.
export POETRY_HTTP_BASIC_AUTHPROXY_USERNAME=__token__
export POETRY_HTTP_BASIC_AUTHPROXY_PASSWORD="$<key>"
"""

FLIT_ENV = """\
# flit publish: the key is in <key>.
export FLIT_INDEX_URL="<upload>"
export FLIT_USERNAME=__token__
export FLIT_PASSWORD="$<key>"
"""

HATCH_ENV = """\
# hatch publish: the key is in <key>.
export HATCH_INDEX_REPO="<upload>"
export HATCH_INDEX_USER=__token__
export HATCH_INDEX_AUTH="$<key>"
"""

HATCH_FILE = """\
# ~/.config/hatch/config.toml. hatch takes the key from the environment:
#   export HATCH_INDEX_AUTH="$<key>"
#   hatch publish --repo authproxy
[publish.index.repos.authproxy]
url = "<upload>"
user = "__token__"
"""

PDM_ENV_UPLOAD = """\
# pdm publish: the key is in <key>.
export PDM_PUBLISH_REPO="<upload>"
export PDM_PUBLISH_USERNAME=__token__
export PDM_PUBLISH_PASSWORD="$<key>"
"""

PDM_ENV_READ = """\
# pdm searches this index in the place of PyPI. The key is in <key>.
export PDM_PYPI_URL="<simple>"
export PDM_PYPI_USERNAME=__token__
export PDM_PYPI_PASSWORD="$<key>"
"""

PDM_CONFIG_UPLOAD = """\
# pdm publish --repository authproxy: the key is in <key>.
pdm config repository.authproxy.url "<upload>"
pdm config repository.authproxy.username __token__
export PDM_PUBLISH_PASSWORD="$<key>"
"""

PDM_CONFIG_READ = """\
# pdm searches this index in the place of PyPI. The key is in <key>.
pdm config pypi.url "<simple>"
pdm config pypi.username __token__
export PDM_PYPI_PASSWORD="$<key>"
"""
