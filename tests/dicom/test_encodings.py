"""One picture in every transfer syntax: equal where nothing is lost, close where something is."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from small_bundle import small_bundle

from lungscan_monai.dicom.pixels import GREY, PALETTE, hounsfield, read_display_image
from lungscan_monai.errors import ReadError
from lungscan_monai.gate.admitting import admit
from lungscan_monai.inference.batch_run import BatchSettings, run_batch

PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
FULL = {"WindowCenter": 2048, "WindowWidth": 4096}  # shows 12 bits as they are
Maker = Callable[..., Dataset]

# `picture()`, compressed with imagecodecs 2026.3 where none of our own packages has an encoder.
HTJ2K = base64.b85decode(
    "|4;u>04YEK0000W0000O00000000000000W0000O0000000000009pH0sl|{2mk^A000XAQUDA90ssL31q1{@0smY86Cj9?kdTm&kdTm&kdTmw"
    "h=~7W02crOPjF>!N>E53R%LP^FfKASE;BCwkN^q*00001u>b-8lfVEbhxG*qbO68r6F>kHKmZbe0{jC9bO6Zv0|#^f?*RvN0KfnhFaQMb00lq~"
    "hq~Z20YbC@QN-B*!ZZLKsPp~+;xquj02aIe0c*ej7LWzdL0Ig9%Rpk8wt)8-L@NNZhCnly00S=UN$|L*6G0_3qZ!Ry_5ibpATyT$3A~V9@%C_#"
    "zzg{UD+Vw#mjJ*37f}EJU5o$$Z-5Ki1!Eax75E}6gE|8+dBLR0jD!WUvNELrGJ%ZJkIDf6jFCjPUjW53z;GBwZLq@@AP%`R0b)F}r-f0bq@<*z"
    "q-6O4j1PXsFg=z4U4ShZuy4YI`cwfK0J-?w4Eik)PPDu&Y3ckp1`9uwKqnbQi5Nh(UjV=WE~WqhdMp3})sFKS^X(Qebet5)1v7%;IF92uPMrAp"
    "AK(B-r>6>d9{o;WjKi>ka{-@Wwzh1>7HrdQa*?7<+pn$qxk0irnM@{=$z(E_OeT{hxct|kq60s%2oHY5AU*pKfc99-2mR(S8|xW>f8JvOzOn*?"
    ">gHTQ+xh&se-na~2PmANIYfQ{|Je"
)
LOSSLESS_JPEG = base64.b85decode(
    "|JeV;02lxP0RaI400000000000000600#>U|HA+a3;-AaAOQdo0RP$m2mt^91^@u_{{W~^p+bcU6ev)kLWK$xC{Uq7g$fiXP@zJF3N@vxR;^mK"
    "YSpV&ty;Be)vH#mTD5A`t5&UAwQjVvYSpV&ty;Be)vH#mTD5A`t5&UAwQAL?R;|{Sty;Be)vH#mTD5A`t5&UAwQAL?R;^mKYSp^Z)vH#mTD5A`"
    "t5&UAwQAL?R;^mKYSpV&ty;HQTD5A`t5&UB?Aq+P*(0&1Vh+Kbeme4X(Cc~1DQeZLR;^mKYSp^Z)vH#mTD5A@RaI8BwQAL?R;^mKYTapS)vH#m"
    "TD55^s;gRBwQAL?R;^mKZnU*()vH#mTC|l_Rjn;rwQAL?R;^mMT3WSg)vH#mTjY)93(9AeZ!8{Kyt;XQ^AYAt)g@}xt5&UAwQAM6($%Y0ty;Be"
    ")vH#mTD5A`t5&UAwQAL?R;^mMT3WSg)vH#mTD5A`t5&UAwQAL?R;^mKYSpV&>q}OxTD5A`t5&UAwQAL?R;^mKYSpV&ty;Be-Dzsot5&UAwQAL?"
    "R;^mKYSpV&ty;Be)vH#mTdgfxwQAL?R;^mKYSpV&ty;Be)vH#mTD5A`t97NTR;^mKYSpV&ty;Be)vH#mTD5A`t5&UAwQjVvYSpV&ty;Be)vH#m"
    "TD5A`t5&UAwQAL?R;|{Sty;Be)vH#mTD5A`t5&UAwQAL?R;^mKYSp^Z)vH#mTD5A`t5&UAwQAL?R;^mKYSpV&ty;HQTD5A`t5&UAwQAL?R;^mK"
    "YSpV&ty;Be)vH$POIEE~wQAL?R;^mKYSpV&ty;Be)vH#mTD5B3X=>H0R;^mKYSpV&ty;Be)vH#mTD5A`t5&UBtu0!$YSpV&ty;Be)vH#mTD5A`"
    "t5&UAwQAL?b)~CTty;Be)vH#mTD5A`t5&UAwQAL?R;^mM#(e+T"
)
EXTENDED_JPEG = base64.b85decode(
    "|JeWF01!$>Nk#wx0RR9200961|JwjV00IF40RaI50RaI50s;a81OoyB0s;jD1Oo&H1qKEN1qKEN2MGuU2MGrT1_%oX2?`1d3JL}Y3k(Yi3<(Mf"
    "3je_X3k(1l03ZPY5di<h02lxP00RL400000000000000A1q%%f|HJ?<5C8xJ1q2EL0|5X40000000jmJ1P2KU3jqQQ6#xSi7AQ7FQ(|!!7!4B{"
    "4*%K!2mt{A06zf78<d)izbx>l+33E!bkc3X5`UY=#hT*|aOl$E;%q6j)Lo{94_FpVqRy+e$blEf&MlDwb?X)0-A_u{@}+Z@{{WR;IvRNdu)AB%"
    "&N$R65tN+9c7phrBTHUf+|bq(!yk-n{5UmlZ^wqbIZ~aaWx1c_2#bq++W!D{f1Uc-Qr6O;efpPK^=j7xVf*CkU)peUSAnxXv1Gi9B(QsG$;>-;"
    "RkJYWB8pOKGW@f`pJ$@_@z5X2O-5gqcvI~3UtT(Nn^Cl?kBb4OaVi2akiwh(B=VuOzc4gH*A914Bp9HLIkM?WNj*K?Ivz*f5yrwhqjm305S~-8"
    "bn0w18ijJO#%#!R%rGd``<p~snl-JSJ&RtprD@@08b4U_tIX50XE(!><PYbgY|L@=QY*t;m;ONAef;?D`|dfJZxXkYa!HxaO=~7?x*%I_(Uq}&"
    "l*cJG8Gc#ePqWc|c<2x1CZjLQJSp~iFRvXf0F;`Hzbx>l+33E!bhH9eYBKz@!k=fN`tj1k6v<CkUMV=`;#sqIP2Cf;VG8I^Lb(_`#eWm%pG18`"
    "l$>&SND1NE6oihC9q_#uj&yDfEj#idRH_OxVIDM&x3L6*goL*UH?=b|vg@_iKmXY"
)


WITHOUT_LOSS = [
    (ImplicitVRLittleEndian, None),
    (ExplicitVRBigEndian, None),
    (DeflatedExplicitVRLittleEndian, None),
    (RLELossless, None),
    (JPEGLSLossless, None),
    (JPEG2000Lossless, None),
    (JPEGLossless, LOSSLESS_JPEG),
    (JPEGLosslessSV1, LOSSLESS_JPEG),
    (HTJ2KLossless, HTJ2K),
    (HTJ2KLosslessRPCL, HTJ2K),
]


def picture() -> np.ndarray:
    """12 bits, from 0 to 4095, with an edge."""
    rows, columns = np.mgrid[0:24, 0:32]
    values = np.clip(40 * columns + 90 * rows, 0, 4095)
    values[5:9, 10:20] = 4095
    values[-1, -1] = 0
    return values.astype(np.uint16)


def saved(dataset: Dataset, path: Path, syntax: str, codestream: bytes | None = None) -> Path:
    """Save a data set in a transfer syntax; its pixels compressed by pydicom, or the codestream that is given."""
    if codestream is not None:
        dataset.PixelData = encapsulate([codestream])
    elif syntax.is_encapsulated:
        dataset.compress(syntax, **({"j2k_cr": [4]} if syntax == JPEG2000 else {}))
    elif syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").byteswap().tobytes()
    dataset["PixelData"].VR = "OB" if syntax.is_encapsulated else "OW"
    dataset["PixelData"].is_undefined_length = syntax.is_encapsulated
    dataset.file_meta.TransferSyntaxUID = syntax
    little, implicit = syntax.is_little_endian, syntax.is_implicit_VR
    pydicom.dcmwrite(path, dataset, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    return path


@pytest.mark.parametrize(("syntax", "codestream"), WITHOUT_LOSS)
def test_an_encoding_without_loss_gives_the_very_picture(
    make_dicom: Maker, tmp_path: Path, syntax: pydicom.uid.UID, codestream: bytes | None
) -> None:
    values = picture() if codestream else np.tile(picture(), (2, 2))  # an encoder of JPEG 2000 wants some size
    path = saved(make_dicom(values, bits=12, **FULL), tmp_path / "a.dcm", syntax, codestream)
    assert admit(path).dicom.transfer_syntax == syntax
    np.testing.assert_array_equal(hounsfield(path), values)
    np.testing.assert_array_equal(read_display_image(path), (values / 4095).astype(np.float32))


@pytest.mark.parametrize(
    ("syntax", "codestream", "loss"),
    [(JPEG2000, None, 0.04), (JPEGLSNearLossless, None, 0.0005), (JPEGExtended12Bit, EXTENDED_JPEG, 0.02)],
)
def test_an_encoding_with_loss_gives_nearly_the_picture(
    make_dicom: Maker, tmp_path: Path, syntax: pydicom.uid.UID, codestream: bytes | None, loss: float
) -> None:
    values = picture() if codestream else np.tile(picture(), (2, 2))
    path = saved(make_dicom(values, bits=12, **FULL), tmp_path / "a.dcm", syntax, codestream)
    assert admit(path).rows == len(values)
    assert np.abs(read_display_image(path) - values / 4095).max() < loss


@pytest.mark.parametrize("colour", [False, True])
def test_a_baseline_jpeg_gives_the_picture_that_pillow_decodes(make_dicom: Maker, tmp_path: Path, colour: bool) -> None:
    values = (picture() // 16).astype(np.uint8)
    values = np.stack([values, values[::-1], values[:, ::-1]], axis=-1) if colour else values
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "JPEG", quality=95, subsampling=0)
    dataset = make_dicom(values)
    dataset.PhotometricInterpretation = "YBR_FULL" if colour else "MONOCHROME2"
    path = saved(dataset, tmp_path / "a.dcm", JPEGBaseline8Bit, stream.getvalue())
    expected = np.asarray(Image.open(stream), np.float32) / 255
    low, high = (0, 1) if colour else (expected.min(), expected.max())
    assert np.abs(read_display_image(path) - (expected - low) / (high - low)).max() < 3 / 255


def test_one_picture_has_one_answer_in_every_encoding(make_dicom: Maker, tmp_path: Path) -> None:
    """In two sizes, since some encodings are there as codestreams only."""
    for syntax, codestream in [(ImplicitVRLittleEndian, b""), *WITHOUT_LOSS]:
        values, folder = (picture(), "small") if codestream is not None else (np.tile(picture(), (2, 2)), "large")
        (tmp_path / "in" / folder).mkdir(parents=True, exist_ok=True)
        dataset = make_dicom(values, bits=12, Modality="DX", **FULL)
        saved(dataset, tmp_path / "in" / folder / f"{syntax.keyword}.dcm", syntax, codestream or None)
    for folder, values in (("small", picture()), ("large", np.tile(picture(), (2, 2)))):
        inverted = make_dicom(4095 - values, bits=12, Modality="DX", PhotometricInterpretation="MONOCHROME1", **FULL)
        inverted.save_as(tmp_path / "in" / folder / "inverted.dcm", enforce_file_format=True)
        signed = (values.astype(np.int16) - 2048).astype("<i2")
        rescaled = make_dicom(signed, Modality="DX", RescaleSlope=1, RescaleIntercept=2048, **FULL)
        rescaled.save_as(tmp_path / "in" / folder / "signed.dcm", enforce_file_format=True)
    run_batch(small_bundle(tmp_path), tmp_path / "in", tmp_path / "out", BatchSettings(4, 1))
    answers = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()]
    assert len(answers) == len(WITHOUT_LOSS) + 5
    found = {
        size: [a["probabilities"]["Pneumonia"] for a in answers if size in a["file"]] for size in ("small", "large")
    }
    for probabilities in found.values():
        assert max(probabilities) - min(probabilities) < 1e-3
    assert abs(found["small"][0] - found["large"][0]) > 1e-2  # the network tells pictures apart


# --- pydicom's own files ----------------------------------------------------------------------------------------

UNREADABLE = {
    "badVR.dcm": "malformed",
    "meta_missing_tsyntax.dcm": "pixels",
    "nested_priv_SQ.dcm": "pixels",
    "JPEG-lossy.dcm": "pixels",  # its scan header breaks the format; GDCM reads it, where that is installed
    "JPEG2000-embedded-sequence-delimiter.dcm": "pixels",
    "MR_truncated.dcm": "pixels",
}
"""Files with pixel data that are not read, most of them damaged on purpose."""


def readable() -> Iterator[Path]:
    for path in sorted(PYDICOM_FILES.rglob("*.dcm")):
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        is_named = "TransferSyntaxUID" in dataset.file_meta
        if is_named and "Rows" in dataset and path.name not in UNREADABLE:
            yield path


def test_most_of_pydicoms_files_are_looked_at() -> None:
    assert len(list(readable())) > 50


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_physical_values_and_colours_of_pydicoms_files_are_those_of_pydicom() -> None:
    for path in readable():
        dataset = pydicom.dcmread(path, force=True)
        stored = pixel_array(dataset, index=0)
        if dataset.PhotometricInterpretation in GREY:
            if "SharedFunctionalGroupsSequence" not in dataset:
                expected = apply_modality_lut(stored, dataset)
                np.testing.assert_allclose(hounsfield(path, 0), expected, rtol=1e-6, err_msg=path.name)
        elif dataset.PhotometricInterpretation == PALETTE:
            top = 2 ** dataset.RedPaletteColorLookupTableDescriptor[2] - 1
            expected = apply_color_lut(stored, dataset) / top
            np.testing.assert_allclose(read_display_image(path, 0), expected, atol=1e-6, err_msg=path.name)
        else:
            expected = stored / (2**dataset.BitsStored - 1)
            np.testing.assert_allclose(read_display_image(path, 0), expected, atol=1e-6, err_msg=path.name)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_shades_of_pydicoms_files_with_a_window_are_those_of_pydicom() -> None:
    compared = 0
    for path in readable():
        dataset = pydicom.dcmread(path, force=True)
        if dataset.PhotometricInterpretation != "MONOCHROME2" or not dataset.get("WindowWidth"):
            continue
        values = apply_modality_lut(pixel_array(dataset, index=0), dataset)
        slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
        low = -(2 ** (dataset.BitsStored - 1)) if dataset.PixelRepresentation else 0
        low, high = (bound * slope + intercept for bound in (low, low + 2**dataset.BitsStored - 1))
        expected = (apply_voi_lut(values, dataset, prefer_lut=False) - low) / (high - low)
        shown = np.ones(values.shape, bool)
        if "PixelPaddingValue" in dataset:
            shown = pixel_array(dataset, index=0) != dataset.PixelPaddingValue
        difference = np.abs(read_display_image(path, 0) - expected)[shown]
        assert difference.max(initial=0) < 2e-3, path.name
        compared += 1
    assert compared >= 10


@pytest.mark.parametrize(("name", "code"), UNREADABLE.items())
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_not_read_of_them_is_refused(name: str, code: str) -> None:
    try:
        read_display_image(PYDICOM_FILES / name)
    except ReadError as error:
        assert error.code == code
    else:
        pytest.skip(f"an installed plug-in of pydicom reads {name}")
