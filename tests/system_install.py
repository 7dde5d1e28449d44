#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `meson install` puts in place works from there; TAP.

environment: BUILD_ROOT, COPROCD, PREFIX (that the build was set up for)
"""
import os
import subprocess
import sys
from pathlib import Path

from recipes_base import RECIPES_DIR, config_lines
from tap import DEADLINE, need, run_all

COPROCD = os.environ["COPROCD"]
PREFIX = Path(os.environ["PREFIX"])
RECIPES = PREFIX / "share" / "doc" / "coprocd" / "recipes"
SCRIPTS = {".py", ".pl", ".rules"}


def below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def install(root: Path) -> None:
    subprocess.run([need("meson"), "install", "--no-rebuild", "--quiet",
                    "-C", os.environ["BUILD_ROOT"], "--destdir", str(root)],
                   check=True, capture_output=True, timeout=4 * DEADLINE)


def test_the_programs_and_every_recipe_are_installed(root: Path) -> None:
    install(root)
    for name in ("sbin/coprocd", "bin/coprocctl"):
        assert os.access(below(root, PREFIX / name), os.X_OK), name
    assert sorted(os.listdir(below(root, RECIPES))) == sorted(os.listdir(RECIPES_DIR))


def test_an_installed_recipe_is_valid_and_finds_its_script(root: Path) -> None:
    install(root)
    scripts = 0
    for recipe in sorted(below(root, RECIPES).glob("*.conf")):
        command = dict(config_lines(recipe))["command"]
        for script in (Path(w) for w in command.split() if Path(w).suffix in SCRIPTS):
            scripts += 1
            assert script.parent == RECIPES, f"{recipe.name}: {script} is not in {RECIPES}"
            assert below(root, script).is_file(), f"{recipe.name}: {script} is not installed"
        done = subprocess.run([COPROCD, "--check-config", "--config", str(recipe)], text=True,
                              capture_output=True, timeout=DEADLINE, check=False)
        assert done.returncode == 0, done.stderr
    assert scripts >= 5


if __name__ == "__main__":
    sys.exit(run_all([test_the_programs_and_every_recipe_are_installed,
                      test_an_installed_recipe_is_valid_and_finds_its_script]))
