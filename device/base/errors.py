"""Every way in which the box can say no, one class a cause.

`code` is what a program matches; it is also the key of the words for people (title, detail, next step) in
`device/base/texts/*.json`, so that each language can word it. `status` is the HTTP status when a request caused it. The
numbers
and names that the words mention are the class's facts: typed fields, without defaults, so that a fact that is missing where
the error is raised is found by mypy and by `tests/test_errors.py`, and not by a user.

To add an error: write its class here; put its words, which may use its facts and no others, into each file of
`device/base/texts`; and document its code in `docs/engineers/api.md` (an error of a bundle: in
`docs/engineers/bundle.md`). Name every fact where it
is raised: `raise TooManyPixels(width=9000, height=9000, limit_megapixels=64)`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, dataclass_transform

ECHOED_CHARACTERS = 60

Fact = str | int | float


class Phrase(str):
    """A fact that stands for words: the key of a phrase in `device/base/texts`, which is told in the reader's language."""


def echoed(value: object) -> str | int:
    """What was sent, as an error repeats it: cut where it is long; of lists and objects only what they are."""
    text = str(value) if value is None or isinstance(value, str | int | float) else type(value).__name__
    if len(text) > ECHOED_CHARACTERS:
        return text[:ECHOED_CHARACTERS] + "…"
    return value if type(value) is int else text  # True is an int too, and no number


@dataclass_transform(kw_only_default=True, eq_default=False)
class LoupeError(Exception):
    """Base of all named errors. Never raised itself. Each subclass is a dataclass whose fields are its facts."""

    code: ClassVar[str]
    status: ClassVar[int] = 500

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclass(kw_only=True, eq=False)(cls)

    def __reduce__(self) -> tuple[Any, ...]:
        """What another process makes the same error of."""
        return _made, (type(self), self.facts)

    @property
    def facts(self) -> dict[str, Fact]:
        """The facts by name, as the words and the API's JSON take them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.code}: " + ", ".join(f"{name}={value}" for name, value in self.facts.items())


def _made(kind: type[LoupeError], facts: dict[str, Fact]) -> LoupeError:
    return kind(**facts)


# --- the picture that was sent ---------------------------------------------------------------------------------------


class ImageError(LoupeError):
    """Base: the bytes can't become a picture that the box reads."""

    status = 422


class NoImage(ImageError):
    code = "no_image"
    status = 400


class ImageEmpty(ImageError):
    """A picture file was received, of 0 bytes."""

    code = "image_empty"


class UploadTooLarge(ImageError):
    code = "upload_too_large"
    status = 413
    limit_mb: int


class UnsupportedFormat(ImageError):
    code = "unsupported_format"
    status = 415
    formats: str  # those that are read


class MeasurementsNotRead(ImageError):
    """Nothing in signed, 32-bit or floating-point values says which is black and which is white."""

    code = "measurements_not_read"
    status = 415
    format: str
    bits: int


class TooManyPixels(ImageError):
    code = "too_many_pixels"
    width: int
    height: int
    limit_megapixels: float


class ImageTooSmall(ImageError):
    code = "image_too_small"
    width: int
    height: int
    minimum_px: int


class ImageTooNarrow(ImageError):
    code = "image_too_narrow"
    width: int
    height: int
    limit_ratio: float


class ImageTruncated(ImageError):
    code = "image_truncated"


class ImageDamaged(ImageError):
    code = "image_damaged"


class DecodingTooSlow(ImageError):
    """The file is made so that decoding it takes longer than the box gives any."""

    code = "decoding_too_slow"
    limit_s: int


class DecodingTooLarge(ImageError):
    """Decoding takes more memory than the file's header says."""

    code = "decoding_too_large"


class AnimatedImage(ImageError):
    code = "animated_image"
    frames: int


class CompressionNotRead(ImageError):
    """The pixels are packed by a method that the box doesn't unpack."""

    code = "compression_not_read"
    status = 415
    format: str
    compression: str  # as its standard calls it


class VarietyNotRead(ImageError):
    """Pixels of a kind that the box doesn't read, in a format that it reads."""

    code = "variety_not_read"
    status = 415
    format: str
    variety: str  # as its standard calls it


class DicomFrames(ImageError):
    """A loop or a stack in one DICOM file."""

    code = "dicom_frames"
    frames: int


class DicomWithoutPicture(ImageError):
    """A DICOM file of another kind: a report, a document, a list of files."""

    code = "dicom_without_picture"
    kind: str  # as the standard calls it


class WholeSlide(ImageError):
    """A slide that is too large to be read as one field; with the size of its pixels it is read as a section."""

    code = "whole_slide"
    width: int
    height: int
    um_per_px: float  # that the file states


class PictureFormatNotRead(ImageError):
    """A picture format that the box knows by name and doesn't read."""

    code = "picture_format_not_read"
    status = 415
    name: str


class RawPhotoNotRead(ImageError):
    """A camera's unprocessed data."""

    code = "raw_photo_not_read"
    status = 415
    name: str


class MicroscopeFormatNotRead(ImageError):
    """The file of a microscope's program."""

    code = "microscope_format_not_read"
    status = 415
    name: str
    program: str  # that exports from it


class SlideInPieces(ImageError):
    """A slide that consists of a folder of files, of which one was sent."""

    code = "slide_in_pieces"
    status = 415
    name: str
    program: str  # that exports from it


class VideoSent(ImageError):
    code = "video_sent"
    status = 415
    name: str


class DocumentSent(ImageError):
    """A document or an archive, perhaps with pictures in it."""

    code = "document_sent"
    status = 415
    name: str


class ScaleInvalid(ImageError):
    """The size of a pixel that was given can't be right; all in µm per pixel."""

    code = "scale_invalid"
    status = 400
    given: str | float
    least: float
    most: float


class InstrumentOtherShape(ImageError):
    """A picture that can't be a copy of what the instrument's camera makes; all sides in pixels."""

    code = "instrument_other_shape"
    instrument: str
    width: int
    height: int
    full_width: int
    full_height: int


class FieldTooSmall(ImageError):
    """With pixels of the size that was given."""

    code = "field_too_small"
    um_per_px: float
    width_um: int
    height_um: int
    minimum_um: int


class FieldTooCoarse(ImageError):
    """The picture's pixels are too large for the model."""

    code = "field_too_coarse"
    um_per_px: float
    model_um_per_px: float
    most_um_per_px: float


class SectionTooLarge(ImageError):
    """With pixels of the size that was given."""

    code = "section_too_large"
    um_per_px: float
    megapixels: float  # at the model's scale
    limit_megapixels: float


# --- instruments and photos of what they are set by -----------------------------------------------------------------


class MarksNotFound(LoupeError):
    """The photo shows no scale: no marks at even distances."""

    code = "marks_not_found"
    status = 422


class MarksTooFew(LoupeError):
    """There is a scale, and too little of it for a measurement."""

    code = "marks_too_few"
    status = 422
    marks: int
    least: int


class MarksUneven(LoupeError):
    """The marks' distances differ more than on any micrometer that lies flat and is in focus."""

    code = "marks_uneven"
    status = 422
    spread_percent: float  # of a mark's distance


class PixelSizeUnstated(LoupeError):
    """The file says nothing of the size of its pixels that a microscope's could be."""

    code = "pixel_size_unstated"
    status = 422


class NotGlass(LoupeError):
    """The photo that was to show empty glass shows something else."""

    code = "not_glass"
    status = 422
    reason: str  # a phrase


class InstrumentUnknown(LoupeError):
    """The box has no such instrument."""

    code = "instrument_unknown"
    status = 404
    instrument: str | int


class InstrumentInvalid(LoupeError):
    """A field of what was sent can't be an instrument's."""

    code = "instrument_invalid"
    status = 422
    field: str  # a phrase
    allowed: str  # a phrase


class InstrumentNameTaken(LoupeError):
    """Staff pick an instrument by its name, so no two have the same."""

    code = "instrument_name_taken"
    status = 409
    name: str


class InstrumentsFull(LoupeError):
    code = "instruments_full"
    status = 409
    limit: int


# --- the bundle ------------------------------------------------------------------------------------------------------


class BundleError(LoupeError):
    """Base: the model can't be trusted or used; nothing is read with it."""

    status = 503
    bundle: str  # its file's name


class BundleMissing(BundleError):
    code = "bundle_missing"


class NotABundle(BundleError):
    code = "not_a_bundle"


class BundleTooLarge(BundleError):
    """The file is larger than any model that a box can run; nothing of it was read."""

    code = "bundle_too_large"
    limit_mb: int


class BundleMalformed(BundleError):
    """A trusted key signed it, and its content still isn't a bundle's."""

    code = "bundle_malformed"
    detail: str


class UnknownSigner(BundleError):
    code = "unknown_signer"
    key_id: str


class SignatureInvalid(BundleError):
    """A byte differs from what was signed."""

    code = "signature_invalid"


class MemberMismatch(BundleError):
    """A member's hash or size isn't the manifest's, or a member is missing or extra."""

    code = "member_mismatch"
    member: str


class SchemaMismatch(BundleError):
    code = "schema_mismatch"
    detail: str  # what the manifest or an array has that the schema doesn't allow


class GoldenMismatch(BundleError):
    """This machine doesn't reproduce a recorded output."""

    code = "golden_mismatch"
    golden: str
    output: str


class BundleTwice(BundleError):
    """Two files hold versions of the same model, so a reading could be by either."""

    code = "bundle_twice"
    other: str
    model: str


class BundleOlder(BundleError):
    """The box has served a newer version of the model, and nobody said that the older one is meant."""

    code = "bundle_older"
    model: str
    version: str
    served: str


class BundleChanged(BundleError):
    """The file was written to after it was verified, while the box runs."""

    code = "bundle_changed"


class KeyUnreadable(BundleError):
    """No key that can be read verifies the bundle, and beside them lie files that can't be read."""

    code = "key_unreadable"
    key: str  # the names of these files


class KeysMissing(LoupeError):
    """The folder of trusted keys isn't there or can't be opened."""

    code = "keys_missing"
    status = 503
    keys: str
    detail: str


# --- the site profile ------------------------------------------------------------------------------------------------


class ProfileError(LoupeError):
    """Base: a site profile can't be used. The model reads on as one that isn't commissioned."""

    status = 422
    profile: str  # its file's name


class ProfileMissing(ProfileError):
    code = "profile_missing"
    detail: str


class ProfileTooLarge(ProfileError):
    code = "profile_too_large"
    limit_mb: int


class ProfileDamaged(ProfileError):
    """It isn't a profile, was changed after it was signed, or has what a profile can't have."""

    code = "profile_damaged"
    detail: str


class ProfileNewer(ProfileError):
    """A newer program has written it, in a form that this one doesn't know."""

    code = "profile_newer"
    version: str
    known: int  # the highest version that this program knows


class ProfileOfOtherKey(ProfileError):
    """Another box has signed it."""

    code = "profile_of_other_key"
    key_id: str


class ProfileOfOtherModel(ProfileError):
    """It was made for another bundle, or for another version of it."""

    code = "profile_of_other_model"
    made_for: str
    bundle: str


class ProfileRevoked(ProfileError):
    """It was in use on this box, and isn't any more."""

    code = "profile_revoked"
    since: str


class ProfileNameTaken(ProfileError):
    """The box has another profile of the same number."""

    code = "profile_name_taken"


class ProfileSetAlone(ProfileError):
    """The setting `site` names one profile, beside which the box uses no other."""

    code = "profile_set_alone"


class ProfileOfOtherScale(ProfileError):
    """The size of a pixel that was given isn't that of the profile's instrument."""

    code = "profile_of_other_scale"
    given: float
    um_per_px: float


class ProfileUnwritable(LoupeError):
    """The file of a site profile can't be written."""

    code = "profile_unwritable"
    profile: str
    detail: str


class ProfileUnknown(LoupeError):
    """There is no such profile on this box."""

    code = "profile_unknown"
    status = 404
    profile: str | int


class BoxKeyUnusable(LoupeError):
    """The key by which this box signs its site profiles can't be read or made."""

    code = "box_key_unusable"
    status = 503
    key: str
    detail: str


class RevocationsUnreadable(LoupeError):
    """The box doesn't know any more which site profiles were revoked, so it uses none. Pictures are read all the same."""

    code = "revocations_unreadable"
    status = 503
    file: str
    detail: str


# --- commissioning ---------------------------------------------------------------------------------------------------


class CommissioningError(LoupeError):
    """Base: pictures or labels that a site profile can't be made of."""

    status = 422


class PicturesMissing(CommissioningError):
    """The folder isn't there, can't be opened, or holds no file."""

    code = "pictures_missing"
    folder: str
    detail: str


class TooManyPictures(CommissioningError):
    code = "too_many_pictures"
    folder: str
    pictures: int
    limit: int


class TooFewPictures(CommissioningError):
    """Of those that could be read and judged."""

    code = "too_few_pictures"
    pictures: int
    patients: int
    least_pictures: int
    least_patients: int


class LabelsUnreadable(CommissioningError):
    """The file with diagnoses can't be read as a table."""

    code = "labels_unreadable"
    file: str
    detail: str


class LabelsInvalid(CommissioningError):
    """A row of the file with diagnoses is wrong."""

    code = "labels_invalid"
    file: str
    line: int
    reason: str  # a phrase
    value: str
    classes: str  # those of the model


class ScaleNeeded(CommissioningError):
    """The model needs to know the size of a pixel, and nobody gave it."""

    code = "scale_needed"
    model: str


# --- the box itself --------------------------------------------------------------------------------------------------


class RuntimeMissing(LoupeError):
    """None of the runtimes that the box knows is installed."""

    code = "runtime_missing"
    status = 503


class ModelUnusable(LoupeError):
    """The runtime refuses the network, or it lacks a named output."""

    code = "model_unusable"
    status = 503
    detail: str


class SelfTestFailed(LoupeError):
    """Reading a golden picture failed in a way that has no name of its own."""

    code = "self_test_failed"
    status = 503
    detail: str


class UnknownModel(LoupeError):
    """The model that was asked for is not on this box."""

    code = "unknown_model"
    status = 404
    model: str | int
    models: str  # those that are


class ResetUnconfirmed(LoupeError):
    """The drift watch was to begin anew without `"confirm": true` or without a model's name."""

    code = "reset_unconfirmed"
    status = 400


class TechnicianCodeNeeded(LoupeError):
    """The request takes something from everyone (`device/web/technician.py`) and came without the code."""

    code = "technician_code_needed"
    status = 403


class TechnicianCodeWrong(LoupeError):
    code = "technician_code_wrong"
    status = 403


class TechnicianCodeLater(LoupeError):
    """Too many wrong codes came from this address, or one, while many addresses guess."""

    code = "technician_code_later"
    status = 429
    retry_after_s: int


class TechnicianCodeUnset(LoupeError):
    """The box has no code, and others than this machine can connect."""

    code = "technician_code_unset"
    status = 403


class TechnicianCodeInvalid(LoupeError):
    """The file that the setting names holds no code that can be used, or shows it to others."""

    code = "technician_code_invalid"
    file: str
    reason: str  # a phrase


class StoreUnusable(LoupeError):
    """The store can't be opened, read or written. Pictures are read all the same."""

    code = "store_unusable"
    status = 503
    store: str
    detail: str


class StoreNewer(StoreUnusable):
    """A newer program has written the store, in a form that this one doesn't know. It is left as it is."""

    code = "store_newer"
    version: int
    known: int  # the highest version that this program knows


class StoreMended(LoupeError):
    """A file of the store was damaged and set aside; all that it held is in use again. Pictures are read all the same."""

    code = "store_mended"
    status = 503
    store: str
    aside: str


class StorePartlyLost(LoupeError):
    """A file of the store was damaged and set aside, and some of what it held may be lost. Pictures are read all the
    same."""

    code = "store_partly_lost"
    status = 503
    store: str
    aside: str


class ServedUnreadable(LoupeError):
    """The box doesn't know any more which versions of models it has served. Pictures are read all the same."""

    code = "served_unreadable"
    status = 503
    file: str
    detail: str


class VersionReused(LoupeError):
    """A model's bundle has the version of the one before, and other bytes. Pictures are read all the same."""

    code = "version_reused"
    status = 503
    model: str
    version: str


class OtherOrigin(LoupeError):
    """A browser says that another site's page sent this."""

    code = "other_origin"
    status = 403
    origin: str | int


class UnknownHost(LoupeError):
    """The request was sent to a name that may be somebody else's (`device/base/hosts.py`)."""

    code = "unknown_host"
    status = 421
    host: str | int


class JsonTooDeep(LoupeError):
    """JSON that is nested too deeply to be read."""

    code = "json_too_deep"
    status = 400


class JsonInvalid(LoupeError):
    """What was sent as JSON isn't JSON that the box takes."""

    code = "json_invalid"
    status = 400
    reason: str  # a phrase


class BodyTooLarge(LoupeError):
    """More was sent than any request to this address needs (`device/web/incoming/body_limits.py`)."""

    code = "body_too_large"
    status = 413
    limit_bytes: int


class SettingInvalid(LoupeError):
    code = "setting_invalid"
    setting: str
    value: str
    allowed: str


class KeyIgnored(LoupeError):
    """A file among the trusted keys holds no key. Pictures are read all the same: other keys verify the models."""

    code = "key_ignored"
    status = 503
    key: str


class SamplesUnreadable(LoupeError):
    """The list of sample pictures can't be read. Pictures are read all the same."""

    code = "samples_unreadable"
    status = 503
    samples: str
    detail: str


class SampleEntriesInvalid(LoupeError):
    """Some entries of the list of sample pictures lack a name or words. Pictures are read all the same."""

    code = "sample_entries_invalid"
    status = 503
    samples: str
    entries: str  # their numbers


class SamplePicturesUnreadable(LoupeError):
    """Some sample pictures are missing, lie outside their folder or can't be read. Pictures are read all the same."""

    code = "sample_pictures_unreadable"
    status = 503
    samples: str
    pictures: str  # the names of their files


class OverlayUnwritable(LoupeError):
    """`loupe read --overlay` names a file that can't be written."""

    code = "overlay_unwritable"
    overlay: str
    reason: str


class OutputUnwritable(LoupeError):
    """What `loupe` prints can't be written: the disk behind it is full, say."""

    code = "output_unwritable"
    detail: str


class AtlasInvalid(LoupeError):
    """The file beside the bundle isn't a unit atlas. Pictures are read all the same."""

    code = "atlas_invalid"
    status = 503
    atlas: str
    detail: str


class AtlasOfOtherModel(LoupeError):
    """The atlas's units aren't those of this bundle's network. Pictures are read all the same."""

    code = "atlas_of_other_model"
    status = 503
    atlas: str
    made_for: str
    bundle: str


class DecodingUnavailable(LoupeError):
    """The confined process that decodes all but common JPEG and PNG files can't be started; those are read all the same."""

    code = "decoding_unavailable"
    status = 503
    detail: str


class ReadingStopped(LoupeError):
    """Whoever asked for the reading has gone, so it was given up. The status is nginx's."""

    code = "reading_stopped"
    status = 499


class Busy(LoupeError):
    """There is no place left: in a line, of memory, or of threads."""

    code = "busy"
    status = 503
    retry_after_s: int


class ReadersLost(LoupeError):
    """The process that reads has ended in the middle of a reading; another takes its place."""

    code = "readers_lost"
    status = 503
    retry_after_s: int


# --- units and their names -------------------------------------------------------------------------------------------


class UnitUnknown(LoupeError):
    code = "unit_unknown"
    status = 404
    unit: str | int
    model: str
    units: int  # how many it has


class UnitNameInvalid(LoupeError):
    """The text isn't one that a unit can be called."""

    code = "unit_name_invalid"
    status = 422
    limit: int  # characters


class TermUnknown(LoupeError):
    code = "term_unknown"
    status = 422
    term: str | int
    lexicon: str


class ExpertInvalid(LoupeError):
    code = "expert_invalid"
    status = 422
    limit: int  # characters


class UnitNameMissing(LoupeError):
    """This expert gave the unit no name that could be taken back."""

    code = "unit_name_missing"
    status = 404
    unit: int


class UnitNamesFull(LoupeError):
    """As many experts have named the unit as the box keeps names for."""

    code = "unit_names_full"
    status = 409
    unit: int
    limit: int


class NamesFull(LoupeError):
    """The box has as many names of the network's units as it keeps."""

    code = "names_full"
    status = 409
    limit: int


class NamesInvalid(LoupeError):
    """What was sent isn't an export of names."""

    code = "names_invalid"
    status = 422
    detail: str


class NamesOfOtherModel(LoupeError):
    """The names were given to another network's units."""

    code = "names_of_other_model"
    status = 422
    model: str


# --- commissioning on the page ---------------------------------------------------------------------------------------


class CommissioningUnderWay(LoupeError):
    """Another page has begun one, and the box keeps one at a time."""

    code = "commissioning_under_way"
    status = 409
    since: str
    pictures: int


class CommissioningGone(LoupeError):
    """The box knows of no such commissioning: it was restarted, or somebody discarded it, or it stood still for long."""

    code = "commissioning_gone"
    status = 404


class CommissioningFull(LoupeError):
    """As many pictures have come as one commissioning takes."""

    code = "commissioning_full"
    status = 409
    pictures: int
    limit: int


class CommissioningInvalid(LoupeError):
    """What a commissioning was asked for isn't a model, an instrument or a share."""

    code = "commissioning_invalid"
    status = 422
    detail: str


class CommissioningPictureUnplaced(LoupeError):
    """A picture came with neither a patient's label nor a kind of other material, or with both."""

    code = "commissioning_picture_unplaced"
    status = 422
    limit: int  # characters of a patient's label
    kinds: str


class CommissioningPictureUnknown(LoupeError):
    code = "commissioning_picture_unknown"
    status = 404
    picture: int


class CommissioningUnconcluded(LoupeError):
    """A profile was asked for before a report, or pictures have changed since."""

    code = "commissioning_unconcluded"
    status = 409


class DiagnosisUnknown(LoupeError):
    """The diagnosis isn't one of the model's classes."""

    code = "diagnosis_unknown"
    status = 422
    label: str | int
    classes: str
