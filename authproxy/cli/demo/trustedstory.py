"""What `authproxy demo --oidc` shows: four jobs of a CI, none with a credential, and what came of them."""

import json
import time

from authproxy.cli.demo.cishapes import github
from authproxy.cli.demo.clients import Command
from authproxy.cli.demo.installation import CORE, Installation, Trust
from authproxy.cli.demo.jobs import STRANGERS, burned, on_github, pdm_publish, twine_upload, uv_publish
from authproxy.cli.demo.story import chapter, row
from authproxy.cli.output import say


def tell(made: Installation, trust: Trust) -> None:
    """Say what runs, and print the lines."""
    config = ("--config", str(made.config))
    claims = made.root / "claims.json"
    claims.write_text(json.dumps(github(trust.issuer, made.audience, int(time.time())), indent=1), encoding="utf-8")
    say("")
    row("index", made.index_url, made.upstream.remark)
    row("proxy", made.public_url, f"takes {CORE} from the jobs of acme/core, and from nobody with a key")
    row("issuer", trust.issuer, "signs what GitHub signs for a job; ca.pem vouches for it, and for the proxy")
    row("files", str(made.root), "authproxy.yaml is the whole configuration; `publishers` says who is trusted")
    say("\nThe variables are those of a job on GitHub, and no credential is among them. Paste into another terminal:")
    job = on_github(trust)
    chapter(
        "1. uv and pdm ask the CI for a token and the proxy for a key by themselves",
        uv_publish(made.url, made.files(CORE, "1.0"), job),
        pdm_publish(made.url, made.project("1.1"), job),
    )
    chapter(
        "2. twine does not, so `authproxy exec` does it for twine",
        burned(made.url, twine_upload(made.files(CORE, "1.2"), job)),
    )
    chapter(
        "3. This must be refused: a job of another repository",
        uv_publish(made.url, made.files(CORE, "1.3"), on_github(trust, STRANGERS)),
    )
    explain = ("policy", "explain", *config, "--claims", str(claims), "upload", CORE)
    chapter("4. What a token with such claims may do, and why", Command("authproxy", explain))
    chapter(
        "5. The keys that were minted, for whom, and that they were burned (pdm leaves its own for 15 minutes)",
        Command("authproxy", ("key", "list", "--minted", *config)),
        Command("authproxy", ("publisher", "list", *config)),
    )
    say("\nCtrl-C stops all of it and removes everything.")
