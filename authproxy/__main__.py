"""`python -m authproxy` is `authproxy`."""

from authproxy.cli import main

if __name__ == "__main__":
    main(prog_name="authproxy")
