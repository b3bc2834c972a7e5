"""Writes zoo/README.md, the leaderboard of the presets."""

from pathlib import Path

from bayeskeras import zoo
from bayeskeras.card import leaderboard_text

if __name__ == "__main__":
    folder = Path(__file__).resolve().parent.parent / "zoo"
    (folder / "README.md").write_text(leaderboard_text(zoo.list(folder)), encoding="utf-8")
    print((folder / "README.md").read_text(encoding="utf-8"))
