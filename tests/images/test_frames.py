"""Frames come back as they were drawn, in order and upright, and what is broken is named."""

import os
import struct
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from deblur_jax import images
from deblur_jax.errors import UserError
from deblur_jax.images.frames import open_frames


def drawn(rng, count=6, height=32, width=48):
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def save_video(path, pictures, codec="ffv1", form="bgr0", rate=240, **options):
    """By default without any loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = form
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format=form)))
        container.mux(stream.encode(None))


def smooth(rng, count, height=64, width=96):
    """Pictures that lossy codecs keep well: a soft scene that moves."""
    soft = np.kron(rng.integers(30, 220, (8, 16, 1)), np.ones((16, 16, 3)))
    soft = np.asarray(Image.fromarray(soft.astype(np.uint8)).resize((width + 40, height)))
    return [np.ascontiguousarray(soft[:, 2 * i : 2 * i + width]) for i in range(count)]


@pytest.mark.parametrize(
    ("name", "codec", "form"),
    [
        ("a.avi", "ffv1", "bgr0"),
        ("b.mov", "png", "rgb24"),
        ("c.avi", "rawvideo", "bgr24"),
        ("d.mkv", "ffv1", "bgr0"),
    ],
)
def test_lossless_video_comes_back_exactly(tmp_path, rng, name, codec, form):
    pictures = drawn(rng)
    save_video(tmp_path / name, pictures, codec, form)
    frames = open_frames(tmp_path / name)
    assert frames.rate == 240
    assert frames.expected in (None, 6)
    for _ in range(2):  # and may be read again
        np.testing.assert_array_equal(list(frames), pictures)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"crf": "12"}),
        ("b.mp4", "mpeg4", {"qmin": "1", "b": "20M"}),
        ("c.webm", "libvpx-vp9", {"crf": "10", "b": "0", "cpu-used": "8"}),
    ],
)
def test_usual_codecs_give_every_frame_in_order(tmp_path, rng, name, codec, options):
    pictures = smooth(rng, 14)
    save_video(tmp_path / name, pictures, codec, "yuv420p", **options)
    found = list(open_frames(tmp_path / name))
    assert len(found) == 14
    distances = [[np.abs(f.astype(int) - p).mean() for p in pictures] for f in found]
    assert np.argmin(distances, axis=1).tolist() == list(range(14))
    assert np.max(np.diag(distances)) < 5


# K_R and K_B of ITU-R BT.601-7, BT.709-6 and BT.2020-2, and H.273's number of the matrix
MATRICES = {"601": (0.299, 0.114, 5), "709": (0.2126, 0.0722, 1), "2020": (0.2627, 0.0593, 9)}


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("step", [1, 2])
def test_colours_follow_the_stated_matrix_and_range(tmp_path, rng, matrix, full, step):
    """The oracle writes Y, Cb and Cr by the standards' formulas into the planes itself."""
    colours = np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((16, 16, 1)))
    red_part, blue_part, number = MATRICES[matrix]
    red, green, blue = np.moveaxis(colours / 255, -1, 0)
    light = red_part * red + (1 - red_part - blue_part) * green + blue_part * blue
    chroma = [(blue - light) / 2 / (1 - blue_part), (red - light) / 2 / (1 - red_part)]
    scale, offset, chroma_scale = (255, 0, 255) if full else (219, 16, 224)
    planes = [offset + scale * light] + [128 + chroma_scale * c[::step, ::step] for c in chroma]
    form = "yuv444p" if step == 1 else "yuv420p"
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=240)
        stream.width, stream.height, stream.pix_fmt = 128, 96, form
        context = stream.codec_context
        context.colorspace, context.color_range = number, 2 if full else 1
        frame = av.VideoFrame(128, 96, form)
        for plane, values in zip(frame.planes, planes, strict=True):
            padded = np.zeros((plane.buffer_size // plane.line_size, plane.line_size), np.uint8)
            padded[: values.shape[0], : values.shape[1]] = np.rint(values).clip(0, 255)
            plane.update(padded)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (found,) = open_frames(tmp_path / "a.mkv")
    centres = (found.astype(int) - colours)[8::16, 8::16]  # 4:2:0 softens the blocks' borders
    assert np.abs(centres).max() <= 2
    assert np.abs(centres.mean((0, 1))).max() < 0.5  # no shift of hue or brightness


def turn(path: Path, degrees: int) -> None:
    """Sets the display matrix of a QuickTime file's track (ISO/IEC 14496-12, 8.3.2), clockwise."""
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # version 0: 40 bytes stand before the matrix
    one = 1 << 16
    matrix = [cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, 1 << 30]
    data[place : place + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(data)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied(tmp_path, rng, degrees):
    pictures = drawn(rng, 2)
    save_video(tmp_path / "a.mov", pictures, "png", "rgb24")
    turn(tmp_path / "a.mov", degrees)
    found = list(open_frames(tmp_path / "a.mov"))
    clockwise = {90: Image.ROTATE_270, 180: Image.ROTATE_180, 270: Image.ROTATE_90}[degrees]
    expected = [np.asarray(Image.fromarray(p).transpose(clockwise)) for p in pictures]
    np.testing.assert_array_equal(found, expected)


def test_pictures_come_in_natural_order(tmp_path, rng):
    pictures = drawn(rng, 12)
    for number, picture in enumerate(pictures):
        images.write(tmp_path / f"{'Frame' if number == 3 else 'frame'}{number}.png", picture)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".frame1.png").write_bytes(b"hidden")
    frames = open_frames(tmp_path)
    assert frames.rate is None and frames.expected == 12
    np.testing.assert_array_equal(list(frames), pictures)


def test_deep_pictures_come_at_eight_bits(tmp_path, rng):
    deep = rng.integers(0, 65536, (8, 9, 3), dtype=np.uint16)
    images.write(tmp_path / "1.png", deep)
    (found,) = open_frames(tmp_path)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.rint(deep / 257.0))


def test_a_picture_of_another_size_is_named(tmp_path, rng):
    for number, width in enumerate([20, 20, 24]):
        images.write(tmp_path / f"{number}.png", drawn(rng, 1, 16, width)[0])
    frames = iter(open_frames(tmp_path))
    assert next(frames).shape == next(frames).shape == (16, 20, 3)
    with pytest.raises(UserError, match=r"2\.png is 24x16, but .*0\.png is 20x16"):
        next(frames)


def test_what_is_no_source_is_one_sentence(tmp_path, rng):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video at all\n" * 40)
    images.write(tmp_path / "one.png", drawn(rng, 1)[0])
    os.mkfifo(tmp_path / "pipe.mp4")
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    for name, words in [
        ("missing.mp4", "no such file"),
        ("empty", "holds no pictures"),
        ("empty.mp4", "damaged|empty"),
        ("text.mp4", "damaged"),
        ("one.png", "one picture; name its folder"),
        ("pipe.mp4", "not an ordinary file"),
        ("sound.mkv", "holds no video"),
    ]:
        with pytest.raises(UserError, match=words) as caught:
            open_frames(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value) and "Errno" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.mp4"])
def test_a_lost_end_is_told_after_the_frames_before_it(tmp_path, rng, name):
    pictures = drawn(rng, 40, 64, 64)
    codec, form = ("mpeg4", "yuv420p") if name == "a.mp4" else ("ffv1", "bgr0")
    save_video(tmp_path / name, pictures, codec, form)
    whole = (tmp_path / name).read_bytes()
    if name == "a.mp4":  # its index stands at the end; moved to the front as cameras may have it
        with av.open(str(tmp_path / name)) as source:
            options = {"movflags": "faststart"}
            with av.open(str(tmp_path / "b.mp4"), "w", options=options) as target:
                stream = target.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.dts is not None:
                        packet.stream = stream
                        target.mux(packet)
        whole = (tmp_path / "b.mp4").read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
    found = []
    with pytest.raises(UserError, match=f"cannot read .*{name} after [0-9]+ frames") as caught:
        for frame in open_frames(tmp_path / name):
            found.append(frame)
    assert 15 <= len(found) <= 30 and f"after {len(found)} frames" in str(caught.value)
    if codec == "ffv1":
        np.testing.assert_array_equal(found, pictures[: len(found)])


def test_damage_in_the_middle_ends_it_with_the_whole_frames_before(tmp_path, rng):
    pictures = drawn(rng, 40, 64, 64)
    save_video(tmp_path / "a.mp4", pictures, "libx264", "yuv420p", g="1", crf="1")
    whole = list(open_frames(tmp_path / "a.mp4"))
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = bytes(9000)  # a frame is some 5000 bytes
    (tmp_path / "a.mp4").write_bytes(data)
    found = []
    with pytest.raises(UserError, match=r"cannot read .*a\.mp4 after [0-9]+ frames"):
        for frame in open_frames(tmp_path / "a.mp4"):
            found.append(frame)
    assert 10 <= len(found) <= 20
    np.testing.assert_array_equal(found, whole[: len(found)])


def test_a_hole_in_the_middle_ends_it(tmp_path, rng):
    pictures = drawn(rng, 40, 64, 64)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=240)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "bgr0"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = number, Fraction(1, 240)
            if not (number in (5, 6) or 20 <= number < 30):  # two are a camera's own
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = []
    with pytest.raises(UserError, match=r"a\.mkv after 18 frames: no frames from 0\.08 to"):
        for frame in open_frames(tmp_path / "a.mkv"):
            found.append(frame)
    np.testing.assert_array_equal(found, pictures[:5] + pictures[7:20])


def test_sound_that_outlasts_the_picture_is_no_lost_end(tmp_path, rng):
    pictures = drawn(rng, 24, 16, 16)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        video = container.add_stream("ffv1", rate=240)
        video.height, video.width, video.pix_fmt = 16, 16, "bgr0"
        sound = container.add_stream("pcm_s16le", rate=8000)
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(video.encode(frame.reformat(format="bgr0")))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        samples.sample_rate = 8000  # one second, the picture lasts a tenth
        container.mux(sound.encode(samples))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    assert len(list(open_frames(tmp_path / "a.mkv"))) == 24


@pytest.mark.parametrize("name", ["a.mkv", "a.mov"])
@pytest.mark.parametrize("start", [0, 240])
def test_a_video_may_start_late(tmp_path, rng, name, start):
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream("ffv1" if name == "a.mkv" else "png", rate=240)
        stream.height, stream.width = 16, 16
        stream.pix_fmt = "bgr0" if name == "a.mkv" else "rgb24"
        for number, picture in enumerate(drawn(rng, 24, 16, 16)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = start + number, Fraction(1, 240)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert len(list(open_frames(tmp_path / name))) == 24


def test_memory_is_that_of_a_frame(tmp_path, rng):
    save_video(tmp_path / "a.mkv", drawn(rng, 60, 120, 160))
    size = 120 * 160 * 3
    tracemalloc.start()
    count = sum(1 for _ in open_frames(tmp_path / "a.mkv"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 60 and peak < 12 * size
