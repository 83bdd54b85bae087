import HTTPWire

/// The media types of files, by the ends of their names.
///
/// - Source: the IANA registry of media types; text types say that they are UTF-8.
enum ContentTypes {
    /// The type of a file with this name; `application/octet-stream` when the end of the name says
    /// nothing.
    static func type(ofName name: ByteSlice) -> StaticString {
        var start = name.count
        while start > 0, name[start - 1] != UInt8(ascii: ".") {
            if name[start - 1] == UInt8(ascii: "/") || name.count - start > 12 { return other }
            start -= 1
        }
        guard start > 0 else { return other }
        let end = String(decoding: name[start..<name.count]).lowercased()
        return types[end] ?? other
    }

    private static let other: StaticString = "application/octet-stream"

    private static let types: [String: StaticString] = [
        "html": "text/html; charset=utf-8", "htm": "text/html; charset=utf-8",
        "xhtml": "application/xhtml+xml", "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8", "mjs": "text/javascript; charset=utf-8",
        "json": "application/json", "map": "application/json",
        "jsonld": "application/ld+json", "webmanifest": "application/manifest+json",
        "geojson": "application/geo+json", "ndjson": "application/x-ndjson",
        "txt": "text/plain; charset=utf-8", "text": "text/plain; charset=utf-8",
        "log": "text/plain; charset=utf-8", "md": "text/markdown; charset=utf-8",
        "csv": "text/csv; charset=utf-8", "tsv": "text/tab-separated-values; charset=utf-8",
        "ics": "text/calendar; charset=utf-8", "vcf": "text/vcard; charset=utf-8",
        "vtt": "text/vtt; charset=utf-8", "xml": "text/xml; charset=utf-8",
        "xsl": "text/xml; charset=utf-8", "xsd": "text/xml; charset=utf-8",
        "rss": "application/rss+xml", "atom": "application/atom+xml",
        "yaml": "application/yaml", "yml": "application/yaml", "toml": "application/toml",
        "swift": "text/plain; charset=utf-8", "c": "text/plain; charset=utf-8",
        "h": "text/plain; charset=utf-8", "sql": "application/sql",
        "svg": "image/svg+xml", "svgz": "image/svg+xml", "png": "image/png",
        "apng": "image/apng", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif",
        "webp": "image/webp", "avif": "image/avif", "heic": "image/heic", "jxl": "image/jxl",
        "bmp": "image/bmp", "ico": "image/vnd.microsoft.icon", "cur": "image/x-icon",
        "tif": "image/tiff", "tiff": "image/tiff",
        "woff": "font/woff", "woff2": "font/woff2", "ttf": "font/ttf", "otf": "font/otf",
        "ttc": "font/collection", "eot": "application/vnd.ms-fontobject",
        "mp3": "audio/mpeg", "m4a": "audio/mp4", "aac": "audio/aac", "ogg": "audio/ogg",
        "oga": "audio/ogg", "opus": "audio/ogg", "wav": "audio/wav", "flac": "audio/flac",
        "weba": "audio/webm", "mid": "audio/midi", "midi": "audio/midi",
        "mp4": "video/mp4", "m4v": "video/mp4", "mov": "video/quicktime", "webm": "video/webm",
        "ogv": "video/ogg", "mpeg": "video/mpeg", "mpg": "video/mpeg",
        "avi": "video/x-msvideo", "mkv": "video/matroska", "ts": "video/mp2t",
        "m3u8": "application/vnd.apple.mpegurl", "mpd": "application/dash+xml",
        "pdf": "application/pdf", "rtf": "application/rtf", "epub": "application/epub+zip",
        "doc": "application/msword", "xls": "application/vnd.ms-excel",
        "ppt": "application/vnd.ms-powerpoint",
        "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt": "application/vnd.oasis.opendocument.text",
        "ods": "application/vnd.oasis.opendocument.spreadsheet",
        "zip": "application/zip", "gz": "application/gzip", "tgz": "application/gzip",
        "tar": "application/x-tar", "bz2": "application/x-bzip2", "xz": "application/x-xz",
        "zst": "application/zstd", "7z": "application/x-7z-compressed",
        "jar": "application/java-archive", "deb": "application/vnd.debian.binary-package",
        "rpm": "application/x-rpm", "iso": "application/x-iso9660-image",
        "wasm": "application/wasm", "bin": "application/octet-stream",
    ]
}
