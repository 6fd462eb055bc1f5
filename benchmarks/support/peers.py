"""Environments of other tools, made by uv for one benchmark run: they are no dependencies of this project."""

import subprocess
import sys
from pathlib import Path


def environment(folder: Path, *packages: str) -> Path:
    """A new environment with these packages alone; returns its Python."""
    uv = str(Path(sys.executable).with_name("uv"))
    python = folder / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *packages], check=True)
    print(f"an environment of its own, made for this run: {', '.join(packages)}", flush=True)
    return python
