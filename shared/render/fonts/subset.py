#!/usr/bin/env python3
"""Makes the fonts in this folder from the packages that they come from.

    python3 -m pip install fonttools==4.68.0
    python3 subset.py /tmp/fonts

The sources are packages of npm, fetched with `npm pack`, and one package of Debian; SOURCES says
which. The folder that is named is where the packages are unpacked. What is made is written beside
this script, with the licence of each font. Run it again only to change what is covered; the files
are committed.
"""

import pathlib
import shutil
import subprocess
import sys
import tarfile

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.ttLib.scaleUpem import scale_upem

HERE = pathlib.Path(__file__).parent
EXPO = "@expo-google-fonts/"


def rows(codec, first, last):
    """The characters of a national standard's rows, by Python's own tables."""
    found = []
    for row in range(first, last + 1):
        for cell in range(1, 95):
            try:
                found.append(ord(bytes([row + 0xA0, cell + 0xA0]).decode(codec)))
            except UnicodeDecodeError:
                pass
    return found


def spans(*pairs):
    return [code for first, last in pairs for code in range(first, last + 1)]


# The characters that are everyday use, as each standard defines them: GB 2312 level 1 (3,755),
# JIS X 0208 level 1 (2,965), KS X 1001 (2,350).
HAN = rows("gb2312", 16, 55) + rows("euc_jp", 16, 47)
KANA = spans((0x3000, 0x303F), (0x3041, 0x30FF), (0x31F0, 0x31FF), (0xFF01, 0xFFEE))
HANGUL = rows("euc_kr", 16, 40) + spans((0x3131, 0x318E))

# name: (npm package and version, or Debian's file; file within; code points or None for all;
#        units per em or None to leave them; OpenType features or "*")
SOURCES = {
    "anton": (EXPO + "anton@0.4.2", "400Regular/Anton_400Regular.ttf", None, None, "*"),
    "sofia-sans": (
        EXPO + "sofia-sans-extra-condensed@0.4.2",
        "900Black/SofiaSansExtraCondensed_900Black.ttf",
        spans((0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x1C80, 0x1C8F), (0x1F00, 0x1FFF),
              (0x20A0, 0x20BF), (0x2DE0, 0x2DFF), (0xA640, 0xA69F)),
        None, "*"),
    "cairo": (
        EXPO + "cairo@0.4.2", "900Black/Cairo_900Black.ttf",
        spans((0x600, 0x6FF), (0x750, 0x77F), (0x8A0, 0x8FF), (0x200C, 0x200F), (0xFB50, 0xFDFF),
              (0xFE70, 0xFEFE)),
        None, "*"),
    "noto-sans-hebrew": (
        EXPO + "noto-sans-hebrew@0.4.1", "900Black/NotoSansHebrew_900Black.ttf",
        spans((0x590, 0x5FF), (0x20AA, 0x20AA), (0x25CC, 0x25CC), (0xFB1D, 0xFB4F)), None, "*"),
    "teko": (
        EXPO + "teko@0.4.1", "700Bold/Teko_700Bold.ttf",
        spans((0x900, 0x97F), (0x1CD0, 0x1CFF), (0x200C, 0x200D), (0x20B9, 0x20B9),
              (0x25CC, 0x25CC), (0xA8E0, 0xA8FF)),
        None, "*"),
    "kanit": (
        EXPO + "kanit@0.4.1", "900Black/Kanit_900Black.ttf",
        spans((0xE00, 0xE7F), (0x25CC, 0x25CC)), None, "*"),
    "noto-emoji": (EXPO + "noto-emoji@0.4.7", "700Bold/NotoEmoji_700Bold.ttf", None, 512, "*"),
    "noto-sans-sc": (
        EXPO + "noto-sans-sc@0.4.3", "700Bold/NotoSansSC_700Bold.ttf",
        HAN + KANA, 512, "ccmp,locl,kern"),
    "black-han-sans": (
        EXPO + "black-han-sans@0.4.1", "400Regular/BlackHanSans_400Regular.ttf",
        HANGUL, 512, "ccmp,locl,kern"),
    "dejavu-sans": (
        "fonts-dejavu-core 2.37-6", "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",
        # Stacked marks and the letters that the display faces lack, then signs.
        spans((0x20, 0x7E), (0xA0, 0x17F), (0x2B0, 0x36F), (0x400, 0x58F), (0x10D0, 0x10FF),
              (0x2010, 0x205E), (0x2070, 0x209C), (0x20A0, 0x20BF),
              (0x2100, 0x214F), (0x2153, 0x2188), (0x2190, 0x222B), (0x2234, 0x2269),
              (0x2460, 0x2473), (0x25A0, 0x27BF)),
        1024, "ccmp,locl,mark,mkmk"),
}


def unpacked(package, folder):
    name, _, version = package.rpartition("@")
    there = folder / name.split("/")[1]
    if not there.exists():
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True)
        archive = folder / f"{name.lstrip('@').replace('/', '-')}-{version}.tgz"
        tarfile.open(archive).extractall(there, filter="data")
    return there / "package"


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (package, file, codes, units_per_em, features) in SOURCES.items():
        if package.startswith("@"):
            root = unpacked(package, folder)
            source, licence = root / file, root / "LICENSE_FONT"
        else:
            source, licence = file, "/usr/share/doc/fonts-dejavu-core/copyright"
        options = subset.Options()
        options.layout_features = features.split(",")
        options.notdef_outline = True
        options.glyph_names = False
        options.hinting = False
        # Copyright and licence stay in the file; a changed font does not keep its name.
        options.name_IDs = [0, 13, 14]
        options.drop_tables += ["DSIG", "STAT", "meta"]
        font = TTFont(source)
        subsetter = subset.Subsetter(options)
        covered = set(font.getBestCmap())
        subsetter.populate(unicodes=covered if codes is None else covered & set(codes))
        subsetter.subset(font)
        if units_per_em:
            # Shorter steps between points are fewer bytes; an eighth of a pixel at most is lost
            # at the sizes at which captions are drawn.
            scale_upem(font, units_per_em)
        target = HERE / f"{name}.ttf"
        font.save(target)
        shutil.copyfile(licence, HERE / f"{name}.LICENSE.txt")
        print(f"{target.stat().st_size:>9} {name}: {len(font.getBestCmap())} characters")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/tmp/fonts"))
