"""Every way in which the box can say no, one class a cause.

`code` is what a program matches; it is also the key of the words for people (title, detail, next step) in
`device/texts/*.json`, so that each language can word it. `status` is the HTTP status when a request caused it.
Numbers and names that the words mention travel in `facts`.
"""

from __future__ import annotations

from typing import ClassVar

ECHOED_CHARACTERS = 60


def echoed(value: object) -> object:
    """What was sent, as an error repeats it: cut where it is long; of lists and objects only what they are."""
    text = str(value) if value is None or isinstance(value, str | int | float) else type(value).__name__
    return (
        text[:ECHOED_CHARACTERS] + "…" if len(text) > ECHOED_CHARACTERS else value if isinstance(value, int) else text
    )


class LoupeError(Exception):
    """Base of all named errors. Never raised itself."""

    code: ClassVar[str]
    status: ClassVar[int] = 500

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__(f"{self.code}: " + ", ".join(f"{name}={value}" for name, value in facts.items()))


# --- the picture that was sent ---------------------------------------------------------------------------------------


class ImageError(LoupeError):
    """Base: the bytes can't become a picture that the box reads."""

    status = 422


class NoImage(ImageError):
    code = "no_image"
    status = 400


class UploadTooLarge(ImageError):
    """facts: limit_mb"""

    code = "upload_too_large"
    status = 413


class UnsupportedFormat(ImageError):
    """facts: formats (those that are read)"""

    code = "unsupported_format"
    status = 415


class TooManyPixels(ImageError):
    """facts: width, height, limit_megapixels"""

    code = "too_many_pixels"


class ImageTooSmall(ImageError):
    """facts: width, height, minimum_px"""

    code = "image_too_small"


class ImageTooNarrow(ImageError):
    """facts: width, height, limit_ratio"""

    code = "image_too_narrow"


class ImageTruncated(ImageError):
    code = "image_truncated"


class ImageDamaged(ImageError):
    code = "image_damaged"


class AnimatedImage(ImageError):
    """facts: frames"""

    code = "animated_image"


class ScaleInvalid(ImageError):
    """The size of a pixel that was given can't be right. facts: given, least, most (µm per pixel)"""

    code = "scale_invalid"
    status = 400


class FieldTooSmall(ImageError):
    """With pixels of the size that was given. facts: um_per_px, width_um, height_um, minimum_um"""

    code = "field_too_small"


class FieldTooCoarse(ImageError):
    """The picture's pixels are too large for the model. facts: um_per_px, model_um_per_px, most_um_per_px"""

    code = "field_too_coarse"


class SectionTooLarge(ImageError):
    """With pixels of the size that was given. facts: um_per_px, megapixels (at the model's scale), limit_megapixels"""

    code = "section_too_large"


# --- the bundle ------------------------------------------------------------------------------------------------------


class BundleError(LoupeError):
    """Base: the model can't be trusted or used; nothing is read with it. All carry `bundle`, the file's name."""

    status = 503


class BundleMissing(BundleError):
    code = "bundle_missing"


class NotABundle(BundleError):
    code = "not_a_bundle"


class UnknownSigner(BundleError):
    """facts: key_id"""

    code = "unknown_signer"


class SignatureInvalid(BundleError):
    """A byte differs from what was signed."""

    code = "signature_invalid"


class MemberMismatch(BundleError):
    """facts: member; a member's hash or size isn't the manifest's, or a member is missing or extra."""

    code = "member_mismatch"


class SchemaMismatch(BundleError):
    """facts: detail (what the manifest or an array has that the schema doesn't allow)"""

    code = "schema_mismatch"


class GoldenMismatch(BundleError):
    """facts: golden, output; this machine doesn't reproduce a recorded output."""

    code = "golden_mismatch"


class BundleTwice(BundleError):
    """facts: other, model; two files hold versions of the same model, so a reading could be by either."""

    code = "bundle_twice"


class KeyUnreadable(BundleError):
    """facts: key"""

    code = "key_unreadable"


# --- the box itself --------------------------------------------------------------------------------------------------


class RuntimeMissing(LoupeError):
    """Neither LiteRT nor tflite-runtime is installed."""

    code = "runtime_missing"
    status = 503


class ModelUnusable(LoupeError):
    """facts: detail; the runtime refuses the network or it lacks a named output."""

    code = "model_unusable"
    status = 503


class UnknownModel(LoupeError):
    """The model that was asked for is not on this box. facts: model, models (those that are)"""

    code = "unknown_model"
    status = 404


class ResetUnconfirmed(LoupeError):
    """The drift watch was to begin anew without `"confirm": true` or without a model's name."""

    code = "reset_unconfirmed"
    status = 400


class StoreUnusable(LoupeError):
    """The store can't be opened, read or written. facts: store, detail. Pictures are read all the same."""

    code = "store_unusable"
    status = 503


class OtherOrigin(LoupeError):
    """A browser says that another site's page sent this. facts: origin"""

    code = "other_origin"
    status = 403


class UnknownHost(LoupeError):
    """The request was sent to a name that may be somebody else's (`device/hosts.py`). facts: host"""

    code = "unknown_host"
    status = 421


class JsonTooDeep(LoupeError):
    """JSON that is nested too deeply to be read."""

    code = "json_too_deep"
    status = 400


class SettingInvalid(LoupeError):
    """facts: setting, value, allowed"""

    code = "setting_invalid"


class AtlasInvalid(LoupeError):
    """facts: atlas, detail; the file beside the bundle isn't a unit atlas. Pictures are read all the same."""

    code = "atlas_invalid"
    status = 503


class AtlasOfOtherModel(LoupeError):
    """facts: atlas, made_for, bundle; its units aren't those of this bundle's network. Pictures are read all the same."""

    code = "atlas_of_other_model"
    status = 503


class ReadingStopped(LoupeError):
    """Whoever asked for the section has gone, so its reading was given up. The status is nginx's."""

    code = "reading_stopped"
    status = 499


class Busy(LoupeError):
    """All readers are at work and the queue is full. facts: retry_after_s"""

    code = "busy"
    status = 503


# --- units and their names -------------------------------------------------------------------------------------------


class UnitUnknown(LoupeError):
    """facts: unit, model, units (how many it has)"""

    code = "unit_unknown"
    status = 404


class UnitNameInvalid(LoupeError):
    """The text isn't one that a unit can be called. facts: limit (characters)"""

    code = "unit_name_invalid"
    status = 422


class TermUnknown(LoupeError):
    """facts: term, lexicon"""

    code = "term_unknown"
    status = 422


class ExpertInvalid(LoupeError):
    """facts: limit (characters)"""

    code = "expert_invalid"
    status = 422


class UnitNameMissing(LoupeError):
    """facts: unit; this expert gave it no name that could be taken back."""

    code = "unit_name_missing"
    status = 404


class NamesInvalid(LoupeError):
    """facts: detail; what was sent isn't an export of names."""

    code = "names_invalid"
    status = 422


class NamesOfOtherModel(LoupeError):
    """facts: model; the names were given to another network's units."""

    code = "names_of_other_model"
    status = 422
