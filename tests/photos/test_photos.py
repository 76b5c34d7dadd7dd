"""One way to read a photo, a folder of them, and a stream of batches."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from invariscope.errors import InputError
from invariscope.photos import PhotoRule, UnreadablePhoto, batches, open_folder, read_photo

RAMP = np.linspace(0, 255, 6 * 8).round().astype(np.uint8).reshape(6, 8)
COLOURS = np.stack([RAMP, RAMP[::-1], 255 - RAMP], 2)


def saved(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def seen(path):
    return read_photo(path).permute(1, 2, 0).numpy()


def test_an_rgb_photo_is_what_it_holds(tmp_path):
    path = saved(tmp_path / "a.png", Image.fromarray(COLOURS))
    assert read_photo(path).dtype == torch.uint8
    np.testing.assert_array_equal(seen(path), COLOURS)


@pytest.mark.parametrize("mode", ["L", "I;16", "P", "1"])
def test_one_channel_goes_to_all_three(tmp_path, mode):
    if mode == "I;16":
        image = Image.fromarray(RAMP.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(RAMP).convert(mode)
    expected = np.array(image.convert("L")) if mode == "1" else RAMP
    path = saved(tmp_path / "a.png", image)
    np.testing.assert_array_equal(seen(path), np.repeat(expected[..., None], 3, 2))


def test_sixteen_bits_are_rounded_to_the_nearest_of_eight(tmp_path):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    path = saved(tmp_path / "a.tif", Image.fromarray(values))
    np.testing.assert_array_equal(seen(path)[..., 0], np.round(values / 257).astype(np.uint8))


def test_cmyk_is_converted(tmp_path):
    ink = np.zeros((4, 4, 4), np.uint8)
    ink[:2, :, 3] = 255  # black above, no ink below
    path = saved(tmp_path / "a.jpg", Image.fromarray(ink, "CMYK"), quality=100)
    rgb = seen(path).astype(int)
    assert rgb[0].max() <= 10
    assert rgb[-1].min() >= 245


def test_transparent_pixels_are_laid_over_white(tmp_path):
    rgba = np.dstack([COLOURS, np.full((6, 8), 255, np.uint8)])
    rgba[0, :, 3], rgba[1, :, 3] = 0, 128
    path = saved(tmp_path / "a.png", Image.fromarray(rgba))
    expected = COLOURS.astype(float)
    expected[0], expected[1] = 255, expected[1] * 128 / 255 + 255 * 127 / 255
    np.testing.assert_allclose(seen(path), expected, atol=1)


@pytest.mark.parametrize(
    ("entry", "turn"),
    [(1, lambda a: a), (3, lambda a: a[::-1, ::-1]), (6, lambda a: np.rot90(a, -1))],
)
def test_a_photo_is_turned_as_its_exif_says(tmp_path, entry, turn):
    exif = Image.Exif()
    exif[0x0112] = entry
    path = saved(tmp_path / "a.png", Image.fromarray(COLOURS), exif=exif)
    np.testing.assert_array_equal(seen(path), turn(COLOURS))


def test_of_several_frames_the_first_is_taken(tmp_path):
    frames = [Image.fromarray(np.full((4, 4), v, np.uint8)) for v in (10, 200)]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert seen(path).max() == 10


def broken(folder):
    """A file of each kind that cannot be used, and the reason that is told."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG")
    whole = buffer.getvalue()
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    png = bytearray(buffer.getvalue())
    png[100:200] = bytes(100)
    Image.fromarray(np.ones((4, 4), np.float32)).save(folder / "float.tif")
    Image.fromarray(np.full((4, 4), 70000, np.int32)).save(folder / "wide.tif")
    files = {
        "cut.jpg": (whole[: len(whole) // 2], "truncated"),
        "empty.jpg": (b"", "not an image"),
        "text.jpg": (b"no image at all", "not an image"),
        "bytes.png": (bytes(png), "damaged"),
        "drawing.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    reasons = {name: reason for name, (_, reason) in files.items()}
    return reasons | {
        "float.tif": "floating-point numbers of unknown range",
        "wide.tif": "32-bit numbers of unknown range",
    }


def test_what_cannot_be_used_is_named_plainly(tmp_path):
    for name, reason in broken(tmp_path).items():
        with pytest.raises(UnreadablePhoto, match=reason) as caught:
            read_photo(tmp_path / name)
        assert repr(str(tmp_path / name)) in str(caught.value)
        assert caught.value.reason == reason
    with pytest.raises(UnreadablePhoto, match="no such file"):
        read_photo(tmp_path / "none.jpg")
    with pytest.raises(UnreadablePhoto, match="cannot be used"):
        read_photo(tmp_path)


def test_a_huge_photo_is_refused_before_it_is_unpacked(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("1", (12_000, 12_000)))
    with pytest.raises(UnreadablePhoto, match="larger than 89478485 pixels"):
        read_photo(path)
    small = saved(tmp_path / "b.png", Image.fromarray(COLOURS))
    with pytest.raises(UnreadablePhoto, match="larger than 47 pixels"):
        read_photo(small, most_pixels=47)
    assert read_photo(small, most_pixels=48).shape == (3, 6, 8)


@pytest.fixture
def folder(tmp_path):
    """23 photos of 3 classes, of several sizes; one more class is empty."""
    stream = np.random.default_rng(1)
    for number in range(23):
        size = (20 + number, 30 - number // 2, 3)
        image = Image.fromarray(stream.integers(0, 256, size, np.uint8))
        saved(tmp_path / "photos" / "bdc"[number % 3] / f"{number:02d}.png", image)
    (tmp_path / "photos" / "a").mkdir()
    (tmp_path / "photos" / "classes.tsv").write_text("a\tapple")
    return tmp_path / "photos"


def test_a_folder_is_sorted_by_class_and_name_and_tells_what_is_odd(folder):
    found = open_folder(folder)
    assert len(found) == 23
    assert list(found.names) == sorted(found.names)
    assert found.classes == ("a", "b", "c", "d")
    assert [found.classes[label] for label in found.labels] == [n[0] for n in found.names]
    assert found.report.lines() == [
        "without a photo: 1 class folder: 'a'",
        "not looked at: 1 other file",
    ]


def test_a_flat_folder_has_no_classes(folder):
    flat = open_folder(folder / "b")
    assert flat.classes == ()
    assert set(flat.labels) == {-1}
    assert len(flat) == 8


def test_folders_that_cannot_be_meant_are_refused(tmp_path, folder):
    with pytest.raises(InputError, match="no folder"):
        open_folder(tmp_path / "none")
    with pytest.raises(InputError, match="holds no photo"):
        open_folder(folder / "a")
    (tmp_path / "sets" / "train").mkdir(parents=True)
    (tmp_path / "sets" / "val").mkdir()
    with pytest.raises(InputError, match="holds the sets train, val; name one"):
        open_folder(tmp_path / "sets")


def test_the_content_changes_with_names_and_sizes(folder):
    before = open_folder(folder).content
    assert open_folder(folder).content == before
    (folder / "b" / "00.png").rename(folder / "b" / "zz.png")
    assert open_folder(folder).content != before


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_photos_are_resized_and_cropped_as_torchvision_does(folder, interpolation):
    from invariscope.zoo.vision import torchvision_models

    torchvision_models()
    from torchvision import transforms

    theirs = transforms.Compose(
        [
            transforms.Resize(18, transforms.InterpolationMode(interpolation)),
            transforms.CenterCrop(15),
            transforms.PILToTensor(),
        ]
    )
    found = open_folder(folder)
    stream = batches(found, side=15, rule=PhotoRule(18, interpolation), batch=4, threads=3)
    for batch in stream:
        for index, image in zip(batch.indices, batch.images, strict=True):
            with Image.open(found.file(index)) as photo:
                expected = theirs(photo.convert("RGB"))
            assert torch.equal((image * 255).round().to(torch.uint8), expected)


@pytest.mark.parametrize("threads", [1, 4])
def test_batches_are_in_order_full_and_in_range(folder, threads):
    found = open_folder(folder)
    parts = list(batches(found, side=16, batch=5, threads=threads))
    assert [len(part.indices) for part in parts] == [5, 5, 5, 5, 3]
    assert np.concatenate([part.indices for part in parts]).tolist() == list(range(23))
    for part in parts:
        assert part.images.dtype == torch.float32
        assert 0 <= float(part.images.min()) <= float(part.images.max()) <= 1
        np.testing.assert_array_equal(part.labels, found.labels[part.indices])


def test_unreadable_photos_are_left_out_and_reported_and_batches_stay_full(folder):
    reasons = broken(folder / "b")
    found = open_folder(folder)
    parts = list(batches(found, side=16, batch=5))
    assert [len(part.indices) for part in parts] == [5, 5, 5, 5, 3]
    left = set(range(len(found))) - set(np.concatenate([p.indices for p in parts]).tolist())
    assert {found.names[i].split("/")[1] for i in left} == set(reasons)
    assert {found.names[i].split("/")[1]: r for i, r in found.report.reasons.items()} == reasons
    told = "\n".join(found.report.lines())
    assert "3 left out: not an image (the first: photo" in told
    assert "1 left out: truncated" in told
    for start, part in zip([0, *(p.indices[-1] + 1 for p in parts)], parts, strict=False):
        again = next(iter(batches(found, side=16, batch=5, start=int(start))))
        assert torch.equal(again.images, part.images)


def test_kinds_of_photos_are_counted(tmp_path):
    grey = Image.fromarray(RAMP)
    saved(tmp_path / "a.png", grey)
    saved(tmp_path / "b.png", grey.convert("LA"))
    saved(tmp_path / "c.jpg", Image.new("CMYK", (8, 8)))
    found = open_folder(tmp_path)
    for _ in range(2):  # a second pass counts nothing twice
        assert len(list(batches(found, side=4, rule=PhotoRule(5)))) == 1
    assert found.report.lines() == [
        "2 grey: the same value in all three channels",
        "1 CMYK: converted to RGB",
        "1 transparent: laid over white",
    ]


def test_a_stream_that_is_left_early_leaves_no_thread(folder):
    import threading

    stream = batches(open_folder(folder), side=16, batch=2, threads=4)
    next(stream)
    stream.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("photos")]


def test_unusable_settings_are_refused_at_once(folder):
    found = open_folder(folder)
    with pytest.raises(InputError, match="resize is 10; expected at least the side of the crop"):
        batches(found, side=16, rule=PhotoRule(10))
    with pytest.raises(InputError, match="unknown interpolation 'cubic'; did you mean 'bicubic'"):
        PhotoRule(16, "cubic")


def test_photos_of_each_class_are_spread_evenly(tmp_path):
    for name, number in (("a", 7), ("b", 2), ("c", 0)):
        (tmp_path / name).mkdir()
        for k in range(number):
            Image.new("RGB", (4, 4)).save(tmp_path / name / f"{k}.png")
    folder = open_folder(tmp_path)
    few = folder.of_each_class(3)
    assert few.names == ("a/0.png", "a/2.png", "a/4.png", "b/0.png", "b/1.png")
    assert few.labels.tolist() == [0, 0, 0, 1, 1]
    assert few.classes == folder.classes
    assert few.report.empty_classes == ("c",)
    assert folder.of_each_class(9).names == folder.names
    assert few.content != folder.content
    with pytest.raises(InputError, match="is 0; expected at least 1"):
        folder.of_each_class(0)
