//! QR codes as SVG, black on white with the quiet zone that readers need (ISO/IEC 18004), and without a style or script
//! that our content security policy would stop.

use portcullis_edge::code::Code;
use qrcode::QrCode;
use qrcode::render::svg;

use crate::failure::Failure;

/// `text` as a picture: an SVG document without the XML declaration, so that it can stand in HTML.
pub(crate) fn qr_code(text: &str) -> Result<String, Failure> {
    let code = QrCode::new(text).map_err(|error| Failure::logged(Code::InternalError, error.to_string()))?;
    let picture = code.render::<svg::Color<'_>>().min_dimensions(220, 220).build();
    let start = picture.find("<svg").unwrap_or_default();
    Ok(picture[start..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_picture_that_a_page_can_hold() {
        let Ok(picture) = qr_code("otpauth://totp/a:b?secret=GEZDGNBVGY3TQOJQ") else { panic!("a QR code") };
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"), "{picture}");
        for refused in ["style=", "<style", "<script", "otpauth", "<?xml"] {
            assert!(!picture.contains(refused), "{refused}");
        }
    }

    #[test]
    fn what_does_not_fit_is_a_fault() {
        assert!(qr_code(&"x".repeat(5_000)).is_err());
    }
}
