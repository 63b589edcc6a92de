from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lungscan_monai.data.tables import TableOptions, read_table
from lungscan_monai.errors import ConfigError, DatalistError


@pytest.fixture
def table(tmp_path):
    """A maker of a table beside the empty images a.png ... f.png."""
    for name in "abcdef":
        (tmp_path / f"{name}.png").write_bytes(b"x")

    def make(text: str, name: str = "table.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        data = text.encode(encoding)
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return make


def defects_of(path: Path, **options) -> list[str]:
    with pytest.raises(DatalistError) as caught:
        read_table(path, **options)
    return list(caught.value.defects)


PLAIN = "path,label\na.png,Normal\nb.png,Tumor\n"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_separators_byte_order_marks_and_compression_make_no_difference(table, separator, encoding, name):
    listing = read_table(table(PLAIN.replace(",", separator), name, encoding))
    assert [(case.image, case.label) for case in listing.unsplit] == [("a.png", 0), ("b.png", 1)]
    assert (listing.kind, listing.labels, listing.name) == ("binary", ("Normal", "Tumor"), "t")


def test_columns_are_recognised_by_their_names(table):
    text = (
        "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position,split\n"
        "a.png,Mass|Edema,61,77,M,AP,train\nb.png,No Finding,62,,F,PA,test\n"
    )
    listing = read_table(table(text))
    assert (listing.kind, listing.labels) == ("multilabel", ("Edema", "Mass"))
    first, second = listing.given["training"][0], listing.given["test"][0]
    assert (first.label, first.patient, first.facts) == ((1, 1), "61", {"sex": "M", "age": 77, "view": "AP"})
    assert (second.label, second.facts) == ((0, 0), {"sex": "F", "view": "PA"})


def test_unusual_columns_are_named(table):
    text = "x,y,who\na.png,Normal,p\nb.png,Tumor,q\n"
    listing = read_table(table(text), options=TableOptions(columns={"image": "X", "label": "y", "patient": "who"}))
    assert [case.patient for case in listing.unsplit] == ["p", "q"]
    with pytest.raises(ConfigError, match="columns: pateint is unknown, expected some of image, label"):
        read_table(table(text), options=TableOptions(columns={"pateint": "who"}))


def test_an_empty_name_leaves_a_column_unused(table):
    text = "path,label,split\na.png,Normal,A\nb.png,Tumor,B\n"
    assert len(read_table(table(text), options=TableOptions(columns={"split": ""})).unsplit) == 2
    assert len(read_table(table(text), options=TableOptions(use_split=False)).unsplit) == 2


def test_labels_are_names_in_any_case_or_indices(table):
    text = "path,label\na.png,TUMOR\nb.png,0\nc.png,1\n"
    listing = read_table(table(text), labels=["Normal", "Tumor"])
    assert [case.label for case in listing.unsplit] == [1, 0, 1]


def test_numbers_alone_are_names_in_their_order(table):
    text = "path,label\na.png,10\nb.png,9\nc.png,0\n"
    listing = read_table(table(text))
    assert listing.labels == ("0", "9", "10")
    assert [case.label for case in listing.unsplit] == [2, 1, 0]


def test_every_defect_is_listed_with_its_line(table):
    text = (
        "path,label,patient,split\n"
        "a.png,Normal,p,train\n"
        "gone.png,Tumor,q,train\n"
        "b.png,Tumro,q,train\n"
        "c.png,,q,train\n"
        "a.png,Normal,p,train\n"
        "d.png,Tumor,p,test\n"
        "e.png,Tumor,r,holdout\n"
        "f.png,Tumor\n"
        ",Tumor,s,test\n"
    )
    defects = defects_of(table(text), labels=["Normal", "Tumor"])
    lines = [defect for defect in defects if defect.startswith("line")]
    assert sorted(defect.split(":")[0] for defect in lines) == sorted(f"line {line}" for line in range(3, 11))
    found = "\n".join(defects)
    assert "line 3: no image gone.png" in found
    assert "line 4: unknown label 'Tumro'; did you mean Tumor?" in found
    assert "line 5: the label is empty" in found
    assert "line 6: a.png stands in line 2 already" in found
    assert "line 7: the patient of d.png is in test, and in train in line 2" in found
    assert "if the images lie elsewhere, give --image-dir" in found
    assert "to split again by patient, give --split" in found
    assert "line 8: unknown split 'holdout'" in found
    assert "line 9: 2 cells, the header has 4" in found
    assert "line 10: the image is empty" in found


def test_an_unknown_label_is_told_once_however_many_rows_have_it(table):
    text = "path,label\na.png,Cyst\nb.png,Normal\nc.png,Cyst\nd.png,Cyst\n"
    assert defects_of(table(text), labels=["Normal", "Tumor"]) == [
        "line 2: unknown label 'Cyst'; expected Normal, Tumor (and in 2 more lines)"
    ]


def test_of_one_kind_of_defect_the_first_twenty_are_listed(table):
    rows = "".join(f"{number}.png,Normal\n" for number in range(50))
    defects = defects_of(table("path,label\n" + rows), labels=["Normal", "Tumor"])
    assert len(defects) == 22
    assert defects[20] == "... and 30 more: missing image"
    assert "--present-only" in defects[21]


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("pth,label", "no column for image ('image'); there are pth, label; did you mean 'pth'?"),
        ("path,colour", "no column for label ('label'); there are path, colour"),
    ],
)
def test_a_missing_column_is_told_with_those_there_are(table, header, sentence):
    (defect,) = defects_of(table(header + "\na.png,Normal\n"))
    assert defect.startswith(sentence)


def test_a_named_column_that_is_not_there_is_told_with_the_nearest(table):
    (defect,) = defects_of(
        table("path,label,patientnumber\na.png,x,1\n"), options=TableOptions(columns={"patient": "patient_numbr"})
    )
    assert "did you mean 'patientnumber'?" in defect


def test_findings_and_their_absence_exclude_each_other(table):
    text = "path,label\na.png,Mass|No Finding\nb.png,Mass|\nc.png,Mass|Edema\n"
    assert defects_of(table(text)) == [
        "line 2: label 'Mass|No Finding' names findings and their absence",
        "line 3: the label is empty",
    ]


def test_one_finding_for_each_image_is_multilabel_if_asked_for(table):
    listing = read_table(table("path,label\na.png,Mass\nb.png,Normal\n"), kind="multilabel", labels=["Edema", "Mass"])
    assert [case.label for case in listing.unsplit] == [(0, 1), (0, 0)]


def test_a_bare_name_is_found_in_the_folders_below(table, tmp_path):
    for folder in ("images_001", "images_002"):
        (tmp_path / folder).mkdir()
    (tmp_path / "images_002" / "x.png").write_bytes(b"x")
    listing = read_table(table("path,label\nx.png,Normal\na.png,Tumor\n"))
    assert listing.unsplit[0].image == "images_002/x.png"
    (tmp_path / "images_001" / "x.png").write_bytes(b"x")
    (defect,) = defects_of(table("path,label\nx.png,Normal\na.png,Tumor\n"))
    assert defect == "line 2: x.png is one of images_001/x.png, images_002/x.png; write its folder, too"


def test_slices_of_one_volume_are_different_images(table, tmp_path):
    (tmp_path / "v.nii.gz").write_bytes(b"x")
    listing = read_table(table("path,label\nv.nii.gz#slice=0,Normal\nv.nii.gz#slice=1,Tumor\n"))
    assert [case.image for case in listing.unsplit] == ["v.nii.gz#slice=0", "v.nii.gz#slice=1"]


def test_images_may_lie_in_another_folder(table, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "z.png").write_bytes(b"x")
    (folder / "y.png").write_bytes(b"x")
    listing = read_table(table("path,label\nz.png,Normal\ny.png,Tumor\n"), options=TableOptions(image_dir=folder))
    assert listing.base_dir == folder


def test_the_patient_comes_from_the_file_name_where_the_table_has_none(table):
    text = "path,label,patient,split\na.png,Normal,,train\nb.png,Tumor,q,train\n"
    listing = read_table(table(text), patient_regex=r"^(\w)\.")
    assert [case.patient for case in listing.given["training"]] == ["a", "q"]


def test_a_quoted_cell_may_hold_the_separator(table):
    listing = read_table(table('path,source,label\na.png,"set one, part two",Normal\nb.png,,Tumor\n'))
    assert [case.facts for case in listing.unsplit] == [{"source": "set one, part two"}, {}]


@pytest.mark.parametrize(
    ("data", "name", "sentence"),
    [
        (b"", "t.csv", "no column for image"),
        (b"path,label\n", "t.csv", "no row below its header"),
        (b"path,label\n\xff.png,x\n", "t.csv", "not UTF-8"),
        (b"path,label\n", "t.csv.gz", "cannot be read"),
    ],
)
def test_a_file_that_is_no_table_is_described(tmp_path, data, name, sentence):
    (tmp_path / name).write_bytes(data)
    assert sentence in defects_of(tmp_path / name)[0]


def test_an_absent_table_is_named(tmp_path):
    assert defects_of(tmp_path / "t.csv") == ["there is no such file"]


def test_the_nih_tables_are_read_with_their_own_columns(real_data):
    listing = read_table(real_data / "nih_512" / "labels.csv")
    assert listing.name == "nih_512"
    assert {name: len(cases) for name, cases in listing.given.items()} == {
        "training": 438,
        "validation": 67,
        "test": 133,
    }
    pneumonia = listing.labels.index("Pneumonia")
    assert sum(case.label[pneumonia] for case in listing.given["training"]) == 203


def test_the_kidney_series_are_the_patients(real_data):
    listing = read_table(real_data / "kidney_ct" / "manifest.csv")
    assert listing.labels == ("Normal", "Cyst", "Stone", "Tumor")
    assert listing.given["training"][0].patient == "k001"


NIH_2017 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
    "a.png,Cardiomegaly|Emphysema,0,1,058Y,M,PA,2682,2749,0.143,0.143,\n"
    "b.png,No Finding,1,1,013M,F,AP,2894,2729,0.143,0.143\n"
    "c.png,Pleural_Thickening,0,2,009D,F,AP,2894,2729,0.143,0.143,\n"
)
NIH_V2020 = (
    NIH_2017.replace("Patient Gender", "Patient Sex").replace(",\n", "\n").replace("058Y", "58").replace("013M", "1")
).replace("009D", "0")


@pytest.mark.parametrize("text", [NIH_2017, NIH_V2020])
@pytest.mark.parametrize("name", ["Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv.gz"])
def test_both_forms_of_the_chest_xray14_table_say_the_same(table, text, name):
    labels = ["Emphysema", "Pleural_Thickening", "Cardiomegaly"]
    listing = read_table(table(text, name), kind="multilabel", labels=labels)
    assert [(case.label, case.patient) for case in listing.unsplit] == [
        ((1, 0, 1), "1"),
        ((0, 0, 0), "1"),
        ((0, 1, 0), "2"),
    ]
    assert [case.facts for case in listing.unsplit] == [
        {"sex": "M", "age": 58, "view": "PA"},
        {"sex": "F", "age": 1, "view": "AP"},
        {"sex": "F", "age": 0, "view": "AP"},
    ]


def test_an_age_that_is_no_number_stays_as_it_is(table):
    listing = read_table(table("path,label,age\na.png,x,60-69\nb.png,y,77.0\n"))
    assert [case.facts["age"] for case in listing.unsplit] == ["60-69", 77]


@pytest.fixture
def lists(tmp_path):
    (tmp_path / "train_val_list.txt").write_text("a.png\nb.png\nzzz.png\n")
    (tmp_path / "test_list.txt").write_text("c.png\n")
    return tmp_path


def test_official_lists_beside_a_table_say_the_sections(table, lists):
    listing = read_table(table(NIH_2017))
    assert {name: [case.image for case in cases] for name, cases in listing.given.items()} == {
        "training": ["a.png", "b.png"],
        "test": ["c.png"],
    }
    assert listing.facts == {"lists": "train_val_list.txt, test_list.txt"}
    assert listing.notes == ("the sections are those of train_val_list.txt, test_list.txt",)
    assert not read_table(table(NIH_2017), options=TableOptions(use_split=False)).given


def test_a_tables_own_sections_go_before_lists_that_lie_by_chance_beside_it(table, lists):
    text = "path,label,split\na.png,x,test\nb.png,y,train\n"
    assert [case.image for case in read_table(table(text)).given["test"]] == ["a.png"]
    named = {"training": lists / "train_val_list.txt", "test": lists / "test_list.txt"}
    assert list(read_table(table(text), options=TableOptions(section_lists=named)).given) == ["training"]


def test_rows_that_no_list_names_are_left_out_and_counted(table, lists):
    text = "path,label\na.png,x\nb.png,y\nd.png,x\ne.png,y\n"
    listing = read_table(table(text))
    assert [case.image for case in listing.given["training"]] == ["a.png", "b.png"]
    assert listing.notes[1] == "2 of 4 rows are in none of these lists and were left out"
    with pytest.raises(DatalistError, match="none of its 2 images is named in train_val_list.txt"):
        read_table(table("path,label\nd.png,x\ne.png,y\n"))


def test_of_images_that_are_partly_there_those_are_taken_if_asked_for(table):
    text = "path,label\na.png,Normal\nb.jpg,Tumor\ngone.png,Stone\ngone_too.png,Normal\n"
    listing = read_table(table(text), labels=["Normal", "Tumor"], options=TableOptions(present_only=True))
    assert [(case.image, case.label) for case in listing.unsplit] == [("a.png", 0), ("b.png", 1)]
    left_out, converted = listing.notes
    assert left_out.startswith("2 of 4 rows have no image below")
    assert converted == "1 image(s) have another suffix than in the table, for instance b.png for b.jpg"
    with pytest.raises(DatalistError, match="none of its 1 images is below"):
        read_table(table("path,label\ngone.png,x\n"), options=TableOptions(present_only=True))


CHEXPERT = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Edema,Pleural Effusion\n"
    "a.png,Female,68,Frontal,AP,1.0,,\n"
    "b.png,Male,87,Frontal,PA,,-1.0,1.0\n"
)


def test_each_finding_may_have_its_own_column(table):
    listing = read_table(table(CHEXPERT), labels=["Effusion", "Edema"])
    assert (listing.kind, listing.labels) == ("multilabel", ("Effusion", "Edema"))
    assert [case.label for case in listing.unsplit] == [(None, None), (1, None)]
    assert listing.unsplit[1].facts == {"sex": "Male", "age": 87, "view": "PA"}


def test_columns_of_findings_must_be_named_and_all_there(table):
    (defect,) = defects_of(table(CHEXPERT))
    assert defect.endswith("Pleural Effusion; if each finding has its own column, name them (--labels)")
    (defect,) = defects_of(table(CHEXPERT), labels=["Edema", "Mass"])
    assert defect.endswith("if each finding has its own column, Mass has none")
    assert defects_of(table(CHEXPERT.replace("-1.0", "maybe")), labels=["Edema"]) == [
        "line 3: Edema is 'maybe'; expected 1, 0, and nothing or -1 for not assessed"
    ]
    with pytest.raises(ConfigError, match="one column for each label, as for kind 'multilabel'"):
        read_table(table(CHEXPERT), kind="multiclass", labels=["Edema", "Pleural Effusion"])


def test_a_class_without_rows_and_a_table_of_one_class_are_told(table):
    text = "path,label\na.png,Normal\nb.png,Normal\nc.png,Tumor\n"
    assert defects_of(table(text), labels=["Normal", "Cyst", "Tumor"]) == [
        "no row has the label Cyst; there are Normal (2), Tumor (1)"
    ]
    read_table(table(text), labels=["Normal", "Cyst", "Tumor"], labels_elsewhere=["Cyst"])
    assert defects_of(table("path,label\na.png,Normal\n")) == [
        "expected rows of at least two classes, found Normal (1) only"
    ]


def test_a_cell_without_end_is_no_table(table):
    assert "cannot be read as CSV" in defects_of(table('path,label\na.png,"' + "x" * 200_000))[0]


def test_the_nih_films_at_hand_are_found_in_the_official_table(real_data):
    listing = read_table(
        real_data / "nih_csv" / "Data_Entry_2017_v2020.csv.gz",
        options=TableOptions(image_dir=real_data / "nih_512" / "images", present_only=True),
    )
    assert len(listing.labels) == 14
    assert {name: len(cases) for name, cases in listing.given.items()} == {"training": 638}
    assert listing.notes[1].startswith("111482 of 112120 rows have no image")
