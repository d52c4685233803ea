"""Videos come back with every frame worked on, in its time, and all else as it was."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition
from video_clips import (
    RATE,
    add_sound,
    assert_sound_is_the_same,
    invert,
    make_clip,
    psnr,
    read_clip,
    scene,
)

from deblur_jax.restore.video import restore_video


@pytest.mark.parametrize(
    ("name", "codec", "sound", "pixels", "written"),
    [
        ("a.mp4", "libx264", "aac", "yuv420p", "h264"),
        ("b.mov", "mpeg4", "pcm_s16le", "yuv420p", "h264"),
        ("c.m4v", "libx265", "aac", "yuv420p", "hevc"),
        ("d.mkv", "libx265", "libopus", "yuv420p", "hevc"),
        ("e.mkv", "libvpx-vp9", "flac", "yuv420p", "vp9"),
        ("f.webm", "libvpx-vp9", "libopus", "yuv420p", "vp9"),
        ("g.avi", "mpeg4", "libmp3lame", "yuv420p", "mpeg4"),
        ("h.avi", "libx264", "pcm_s16le", "yuv420p", "mpeg4"),
        ("i.mpg", "mpeg2video", "mp2", "yuv420p", "mpeg2video"),
        ("j.wmv", "wmv2", "wmav2", "yuv420p", "wmv2"),
        ("k.3gp", "libx264", "aac", "yuv420p", "h264"),
        ("l.mov", "png", "aac", "rgb24", "h264"),
    ],
)
def test_every_container_keeps_frames_times_and_sound(
    tmp_path, name, codec, sound, pixels, written
):
    source, target = tmp_path / name, tmp_path / "out" / name
    muxer = {".m4v": "mp4", ".mpg": "vob"}.get(source.suffix)
    make_clip(source, scene(15), codec, sound, pixels=pixels, container=muxer)
    summary = restore_video(source, target, invert)
    before, after = read_clip(source), read_clip(target)
    assert (summary.restored, summary.passed, summary.lost) == (15, 0, 0)
    assert summary.left_out == summary.notes == ()
    assert len(after.frames) == len(before.frames) == 15
    # An AVI's times are the decoder's: with B-frames PyAV gives those of the file three steps late.
    expected = np.arange(15) / RATE if name == "h.avi" else before.times
    np.testing.assert_allclose(after.times, expected, atol=1e-3)
    assert after.duration == pytest.approx(before.duration, abs=0.045 if name == "h.avi" else 0.002)
    assert after.video["codec"] == written
    assert after.video["size"] == (64, 48)
    assert after.video["average_rate"] == before.video["average_rate"]
    for was, now in zip(before.pictures, after.pictures, strict=True):
        assert psnr(invert(was), now) > 38
    assert_sound_is_the_same(before, after)
    assert [p.name for p in target.parent.iterdir()] == [name]


def test_two_seconds_with_sound(tmp_path):
    source, target = tmp_path / "clip.mp4", tmp_path / "sharp.mp4"
    make_clip(source, scene(50), seconds=2.0)
    told = []
    summary = restore_video(source, target, invert, frame_progress=lambda *all: told.append(all))
    before, after = read_clip(source), read_clip(target)
    assert summary.restored == 50 and summary.seconds > 0
    assert told == [(number, 50) for number in range(1, 51)]
    assert after.duration == before.duration == 2.0
    assert after.times == before.times
    assert after.packets == before.packets  # times and bytes
    for was, now in zip(before.pictures, after.pictures, strict=True):
        assert psnr(invert(was), now) > 38
    assert str(summary) == "50 frames restored"


@pytest.mark.parametrize("name", ["a.mp4", "b.mkv", "c.mov"])
def test_variable_rate_and_a_late_start_are_kept(tmp_path, name):
    times = [45000, 48003, 51006, 60000, 60900, 70000, 99000, 101000]
    make_clip(tmp_path / name, scene(8), times=times, base=Fraction(1, 90000), seconds=1.5)
    restore_video(tmp_path / name, tmp_path / f"out{name}", invert)
    before, after = read_clip(tmp_path / name), read_clip(tmp_path / f"out{name}")
    rounding = 0.0005 if name == "b.mkv" else 1e-9  # Matroska counts milliseconds
    np.testing.assert_allclose(after.times, np.array(times) / 90000, atol=rounding)
    assert_sound_is_the_same(before, after)
    # Matroska's reader gives the last packet of sound at full length, though part is to be cut off.
    assert after.duration == pytest.approx(before.duration, abs=0.025 if name == "b.mkv" else 0.001)
    assert after.frames[-1].duration > 0


def constant(colour):
    """A restore function that paints one colour, given for 8 bits."""

    def paint(picture):
        scale = np.iinfo(picture.dtype).max / 255
        flat = np.broadcast_to(np.rint(np.array(colour) * scale), picture.shape)
        return flat.astype(picture.dtype)

    return paint


def coded(colour, red_part, blue_part, *, full, bits=8):
    """Y, Cb and Cr of a colour by the formulas of BT.601 and BT.709, full or limited range."""
    red, green, blue = np.array(colour) / 255
    light = red_part * red + (1 - red_part - blue_part) * green + blue_part * blue
    chroma = (blue - light) / 2 / (1 - blue_part), (red - light) / 2 / (1 - red_part)
    unit = 2 ** (bits - 8)
    scale, offset, chroma_scale = (2**bits - 1, 0, 2**bits - 1) if full else (219, 16, 224)
    if not full:
        scale, offset, chroma_scale = scale * unit, offset * unit, chroma_scale * unit
    return [offset + scale * light, *(2 ** (bits - 1) + chroma_scale * c for c in chroma)]


BT601, BT709 = (0.299, 0.114), (0.2126, 0.0722)  # K_R and K_B


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "matrix", "full", "written"),
    [
        ("a.mp4", "libx264", "yuv420p", (1, *BT709), False, "yuv420p"),
        ("b.mp4", "libx264", "yuv420p", (6, *BT601), True, "yuv420p"),
        ("c.mkv", "libx264", "yuv420p", (2, *BT601), False, "yuv420p"),  # nothing is stated
        ("d.mov", "png", "rgb24", (1, *BT709), False, "yuv444p"),  # RGB becomes BT.709
        ("e.webm", "libvpx-vp9", "yuv420p", (1, *BT709), False, "yuv420p"),
        ("f.mkv", "libx265", "yuv422p10le", (1, *BT709), False, "yuv422p10le"),
        ("g.mkv", "libx264", "yuv420p10le", (1, *BT709), True, "yuv420p10le"),
        ("h.avi", "libx264", "yuv420p", (2, *BT601), False, "yuv420p"),  # AVI cannot state it
    ],
)
def test_colours_are_coded_as_stated(tmp_path, name, codec, pixels, matrix, full, written):
    number, *parts = matrix
    colour, bits = (200, 90, 30), 10 if "10" in pixels else 8

    def state(_, video):
        if pixels != "rgb24":
            stated = 1 if name == "h.avi" else number
            video.codec_context.colorspace = stated
            video.codec_context.color_range = 2 if full else 1
            video.codec_context.color_primaries = video.codec_context.color_trc = stated

    make_clip(tmp_path / name, scene(4), codec, None, pixels=pixels, adjust=state)
    restore_video(tmp_path / name, tmp_path / f"out{name}", constant(colour))
    after = read_clip(tmp_path / f"out{name}")
    frame = after.frames[2]
    assert frame.format.name.replace("yuvj", "yuv") == written
    assert frame.colorspace == number
    if pixels != "rgb24" and name != "h.avi":
        assert (frame.color_primaries, frame.color_trc) == (number, number)
        assert frame.color_range == (2 if full else 1)
    expected = coded(colour, *parts, full=full, bits=bits)
    for plane, value in zip(frame.planes, expected, strict=True):
        kind = np.uint8 if bits == 8 else np.dtype("<u2")
        rows = np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width]
        assert np.abs(rows[8:-8, 8:-8] - value).max() <= 2


def test_ten_bits_stay_ten(tmp_path):
    """A ramp over 64 columns of 64 of 1023 levels would have 16 steps in 8 bits."""
    ramp = (np.linspace(0.5, 0.5625, 64) * 65535).astype(np.uint16)
    pictures = [np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (48, 64, 3)))] * 3
    make_clip(tmp_path / "a.mkv", pictures, "libx264", None, pixels="yuv420p10le")
    depths = []

    def note(picture):
        depths.append((picture.dtype, len(np.unique(picture[20]))))
        return picture

    summary = restore_video(tmp_path / "a.mkv", tmp_path / "b.mkv", note)
    assert summary.notes == ()
    (found, *_) = read_clip(tmp_path / "b.mkv").frames
    light = np.frombuffer(found.planes[0], "<u2").reshape(48, -1)[24, :64]
    assert depths[0][0] == np.uint16 and depths[0][1] > 40
    assert len(np.unique(light)) > 40


def test_depth_and_transparency_that_cannot_be_kept_are_told(tmp_path):
    make_clip(tmp_path / "a.mkv", scene(3), "ffv1", None, pixels="yuv420p10le")
    summary = restore_video(tmp_path / "a.mkv", tmp_path / "b.avi", invert)
    assert any("10 bits a value, the result 8" in note for note in summary.notes)
    make_clip(tmp_path / "c.mov", scene(3), "png", None, pixels="rgba")
    summary = restore_video(tmp_path / "c.mov", tmp_path / "d.mov", invert)
    assert any("transparency" in note for note in summary.notes)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("a.mp4", "png", "rgb24"), ("b.webm", "libvpx-vp9", "yuv420p"), ("c.avi", "ffv1", "bgr0")],
)
def test_odd_sizes_are_kept_whole(tmp_path, name, codec, pixels):
    muxer = "mov" if name == "a.mp4" else None
    make_clip(tmp_path / name, scene(4, 49, 65), codec, None, pixels=pixels, container=muxer)
    restore_video(tmp_path / name, tmp_path / f"out{name}", invert)
    before, after = read_clip(tmp_path / name), read_clip(tmp_path / f"out{name}")
    for was, now in zip(before.pictures, after.pictures, strict=True):
        assert now.shape == (49, 65, 3)
        assert psnr(invert(was)[-4:, -4:], now[-4:, -4:]) > 34  # the last row and column too


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("name", ["a.mp4", "b.mkv"])
def test_the_turn_is_kept_and_frames_come_as_stored(tmp_path, name, degrees):
    make_clip(
        tmp_path / name, scene(3), adjust=lambda _, video: video.set_display_rotation(degrees)
    )
    shapes = []

    def note(picture):
        shapes.append(picture.shape)
        return invert(picture)

    restore_video(tmp_path / name, tmp_path / f"out{name}", note, compare=True)
    before, after = read_clip(tmp_path / name), read_clip(tmp_path / f"out{name}")
    assert shapes == [(48, 64, 3)] * 3
    assert before.frames[0].rotation % 360 == degrees
    assert [frame.rotation % 360 for frame in after.frames] == [degrees] * 3
    compared = read_clip(tmp_path / f"out{name[0]}_compare{name[1:]}")
    assert compared.frames[0].rotation % 360 == degrees


def test_tags_chapters_dispositions_and_pixels_that_are_not_square(tmp_path):
    def adjust(file, video):
        file.metadata.update(title="Ferien", creation_time="2020-01-02T03:04:05.000000Z")
        video.metadata.update(language="ger", handler_name="my camera")
        video.codec_context.sample_aspect_ratio = Fraction(4, 3)
        sound = file.streams.audio[0]
        sound.metadata["language"] = "fre"
        sound.disposition = int(Disposition.default | Disposition.comment)
        part = {"time_base": Fraction(1, 1000)}
        file.set_chapters(
            [
                {"id": 1, "start": 0, "end": 200, "metadata": {"title": "one"}, **part},
                {"id": 2, "start": 200, "end": 400, "metadata": {"title": "two"}, **part},
            ]
        )

    for name in ("a.mp4", "b.mkv"):
        make_clip(tmp_path / name, scene(10), adjust=adjust)
        summary = restore_video(tmp_path / name, tmp_path / f"out{name}", invert)
        before, after = read_clip(tmp_path / name), read_clip(tmp_path / f"out{name}")
        assert summary.left_out == ()
        assert after.tags == before.tags
        assert after.tags["title"] == "Ferien" and after.tags["creation_time"].startswith("2020-01")
        assert [c["metadata"]["title"] for c in after.chapters] == ["one", "two"]
        assert after.chapters == before.chapters
        assert after.streams == before.streams  # languages, names and dispositions among it
        assert after.streams[1][3]["language"] == "fre"
        assert after.video["aspect"] == Fraction(4, 3)


def test_a_phone_s_own_tags_are_kept(tmp_path):
    make_clip(
        tmp_path / "a.mov",
        scene(3),
        file_options={"movflags": "use_metadata_tags"},
        adjust=lambda file, _: file.metadata.update({"com.apple.quicktime.make": "Apple"}),
    )
    restore_video(tmp_path / "a.mov", tmp_path / "b.mov", invert)
    assert read_clip(tmp_path / "b.mov").tags["com.apple.quicktime.make"] == "Apple"


def test_a_cover_is_copied_and_not_taken_for_the_video(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        cover = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 128, 128, "yuvj420p"
        cover.disposition = int(Disposition.attached_pic)
        video = file.add_stream("libx264", rate=RATE)
        video.width, video.height = 64, 48
        picture = av.VideoFrame.from_ndarray(np.full((128, 128, 3), 99, np.uint8))
        jpeg = [bytes(p) for p in cover.encode(picture)]
        packet = av.Packet(jpeg[0])
        packet.stream, packet.pts, packet.dts = cover, 0, 0
        file.start_encoding()
        file.mux(packet)
        for each in scene(4):
            file.mux(video.encode(av.VideoFrame.from_ndarray(each)))
        file.mux(video.encode(None))
    summary = restore_video(tmp_path / "a.mp4", tmp_path / "b.mp4", invert)
    after = read_clip(tmp_path / "b.mp4")
    assert summary.restored == len(after.frames) == 4 and summary.left_out == summary.notes == ()
    assert after.video["size"] == (64, 48)
    assert [data for _, data in after.packets[1]] == jpeg
    assert after.streams[1][2] == Disposition.attached_pic


def add_subtitles(file, text, start, length):
    stream = file.add_mux_stream("subrip")
    stream.time_base, stream.metadata["language"] = Fraction(1, 1000), "fre"
    packet = av.Packet(text)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = start
    packet.duration = length
    return packet


def test_subtitles_fonts_and_a_second_sound_are_copied(tmp_path):
    late = []

    def adjust(file, _):
        late.append(add_subtitles(file, b"Bonjour", 120, 200))
        file.add_attachment("a.ttf", "font/ttf", b"a font")

    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        sounds = [file.add_stream(kind, rate=48000) for kind in ("aac", "libopus")]
        video = file.add_stream("libx264", rate=RATE)
        video.width, video.height = 64, 48
        adjust(file, video)
        for each in scene(10):
            file.mux(video.encode(av.VideoFrame.from_ndarray(each)))
        file.mux(late[0])
        for sound in sounds:
            add_sound(file, sound, 0.4)
        file.mux(video.encode(None))
    summary = restore_video(tmp_path / "a.mkv", tmp_path / "b.mkv", invert)
    before, after = read_clip(tmp_path / "a.mkv"), read_clip(tmp_path / "b.mkv")
    assert summary.left_out == ()
    kinds = ["audio", "audio", "video", "subtitle", "attachment"]
    assert [kind for kind, *_ in after.streams] == kinds  # and in this order
    assert after.packets[3] == [(0.12, b"Bonjour")]
    assert after.packets.keys() == {0, 1, 3}
    assert_sound_is_the_same(before, after)
    with av.open(str(tmp_path / "b.mkv")) as file:
        assert file.streams[4].data == b"a font"


def test_what_the_container_does_not_take_is_named(tmp_path):
    make_clip(tmp_path / "a.mkv", scene(4), sound="flac")
    summary = restore_video(tmp_path / "a.mkv", tmp_path / "b.3gp", invert)
    assert len(read_clip(tmp_path / "b.3gp").frames) == summary.restored == 4
    (sentence,) = summary.left_out
    assert "sound" in sentence and "flac" in sentence and ".3gp" in sentence
    assert sentence in str(summary)


@pytest.mark.parametrize(("count", "seconds"), [(1, None), (1, 1.0), (5, 3.0), (75, 3.3)])
def test_short_long_silent_and_outlasting_sound(tmp_path, count, seconds):
    sound = "aac" if seconds else None
    make_clip(tmp_path / "a.mp4", scene(count, 16, 16), sound=sound, seconds=seconds)
    summary = restore_video(tmp_path / "a.mp4", tmp_path / "b.mp4", invert)
    before, after = read_clip(tmp_path / "a.mp4"), read_clip(tmp_path / "b.mp4")
    assert summary.restored == len(after.frames) == count and summary.notes == ()
    assert after.packets == before.packets
    assert after.duration == before.duration


def test_frames_that_an_edit_list_cuts_off_are_not_lost(tmp_path):
    """Copied from the middle of a group of pictures, as trimming on a phone does it."""
    make_clip(tmp_path / "a.mp4", scene(30), options={"g": "15", "bf": "2"})
    with av.open(str(tmp_path / "a.mp4")) as old, av.open(str(tmp_path / "b.mp4"), "w") as new:
        copies = {s.index: new.add_stream_from_template(s, opaque=True) for s in old.streams}
        for packet in old.demux():
            if packet.dts is None:
                continue
            shift = int(Fraction(5, RATE) / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = copies[packet.stream.index]
            if packet.stream.type == "video" or packet.pts >= 0:
                new.mux(packet)
    summary = restore_video(tmp_path / "b.mp4", tmp_path / "c.mp4", invert)
    before, after = read_clip(tmp_path / "b.mp4"), read_clip(tmp_path / "c.mp4")
    assert 20 <= len(before.frames) < 30  # the oracle: PyAV decodes so many
    assert summary.restored == len(after.frames) == len(before.frames)
    assert (summary.passed, summary.lost, summary.notes) == (0, 0, ())
    np.testing.assert_allclose(after.times, before.times, atol=1e-9)
    assert_sound_is_the_same(before, after)


def test_a_time_code_is_made_anew(tmp_path):
    """QuickTime keeps it in a track of its own, which PyAV reads as a tag of the video as well."""
    make_clip(
        tmp_path / "a.mov",
        scene(6),
        adjust=lambda _, video: video.metadata.update(timecode="01:02:03:04"),
    )
    summary = restore_video(tmp_path / "a.mov", tmp_path / "b.mov", invert)
    before, after = read_clip(tmp_path / "a.mov"), read_clip(tmp_path / "b.mov")
    assert summary.left_out == ()
    assert [kind for kind, *_ in before.streams] == ["video", "audio", "data"]
    assert [kind for kind, *_ in after.streams] == ["video", "audio", "data"]
    assert after.streams[0][3]["timecode"] == "01:02:03:04"
    assert after.packets[2] == before.packets[2]


def test_interlaced_video_is_told(tmp_path):
    make_clip(
        tmp_path / "a.mkv", scene(6), options={"flags": "+ildct+ilme", "x264-params": "tff=1"}
    )
    assert read_clip(tmp_path / "a.mkv").frames[0].interlaced_frame
    summary = restore_video(tmp_path / "a.mkv", tmp_path / "b.mkv", invert)
    assert any("interlaced" in note for note in summary.notes)


def test_pixels_whose_shape_webm_cannot_tell_are_named(tmp_path):
    def adjust(_, video):
        video.codec_context.sample_aspect_ratio = Fraction(4, 3)

    make_clip(tmp_path / "a.mkv", scene(3), sound=None, adjust=adjust)
    summary = restore_video(tmp_path / "a.mkv", tmp_path / "b.webm", invert)
    assert any("4/3" in note for note in summary.notes)


def test_ten_bit_h264_becomes_hevc_that_apple_plays(tmp_path):
    make_clip(tmp_path / "a.mp4", scene(3), pixels="yuv420p10le")
    restore_video(tmp_path / "a.mp4", tmp_path / "b.mp4", invert)
    seen = read_clip(tmp_path / "b.mp4").video
    assert (seen["codec"], seen["tag"], seen["pixels"]) == ("hevc", "hvc1", "yuv420p10le")
