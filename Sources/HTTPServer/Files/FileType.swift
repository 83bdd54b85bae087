import HTTPWire

/// What the end of a file's name tells of its content.
struct FileType {
    /// The value of `Content-Type`; text types say that they are UTF-8.
    let mediaType: StaticString
    /// Whether the format compresses by itself, so that nobody keeps compressed twins of it.
    let isCompressed: Bool

    /// The type of what nothing is known of.
    static let other = FileType(mediaType: "application/octet-stream", isCompressed: false)

    /// The type of a file with this name; `other` when the end of the name says nothing.
    static func of(_ name: ByteSlice) -> FileType {
        // The last bytes of the name as a number, the last one lowest.
        var key: UInt128 = 0
        var shift: UInt128 = 0
        var at = name.count - 1
        while at >= 0, name[at] != UInt8(ascii: ".") {
            let byte = name[at]
            if byte == UInt8(ascii: "/") || shift > 112 { return other }
            let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
            key |= UInt128(isUpper ? byte | 0x20 : byte) << shift
            shift += 8
            at -= 1
        }
        guard at >= 0 else { return other }
        return types[key] ?? other
    }

    private static let types: [UInt128: FileType] = Dictionary(
        mediaTypes.map { ending, mediaType in
            let key = ending.utf8.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
            let isCompressed = compressedTypes.contains(mediaType.description)
            return (key, FileType(mediaType: mediaType, isCompressed: isCompressed))
        }
    ) { first, _ in first }

    private static let compressedTypes: Set<String> = [
        "image/png", "image/jpeg", "image/heif", "image/apng", "image/gif", "image/webp",
        "image/avif", "image/heic", "image/jxl", "font/woff", "font/woff2", "audio/mpeg",
        "audio/mp4", "audio/aac", "audio/ogg", "audio/flac", "audio/webm", "video/mp4",
        "video/quicktime", "video/webm", "video/ogg", "video/mpeg", "video/x-msvideo", "video/3gpp",
        "video/x-flv", "video/x-ms-wmv", "video/matroska", "video/mp2t", "application/epub+zip",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.spreadsheet",
        "application/zip", "application/gzip", "application/x-bzip2", "application/x-xz",
        "application/zstd", "application/vnd.rar", "application/x-7z-compressed",
        "application/java-archive", "application/vnd.android.package-archive",
        "application/vnd.debian.binary-package", "application/x-rpm",
    ]

    /// - Source: the IANA registry of media types.
    private static let mediaTypes: KeyValuePairs<String, StaticString> = [
        "html": "text/html; charset=utf-8", "htm": "text/html; charset=utf-8",
        "xhtml": "application/xhtml+xml", "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8", "mjs": "text/javascript; charset=utf-8",
        "json": "application/json", "map": "application/json", "jsonld": "application/ld+json",
        "webmanifest": "application/manifest+json", "geojson": "application/geo+json",
        "ndjson": "application/x-ndjson", "txt": "text/plain; charset=utf-8",
        "text": "text/plain; charset=utf-8", "log": "text/plain; charset=utf-8",
        "md": "text/markdown; charset=utf-8", "csv": "text/csv; charset=utf-8",
        "tsv": "text/tab-separated-values; charset=utf-8", "ics": "text/calendar; charset=utf-8",
        "vcf": "text/vcard; charset=utf-8", "vtt": "text/vtt; charset=utf-8",
        "xml": "text/xml; charset=utf-8", "xsl": "text/xml; charset=utf-8",
        "xsd": "text/xml; charset=utf-8", "rss": "application/rss+xml",
        "atom": "application/atom+xml", "yaml": "application/yaml", "yml": "application/yaml",
        "toml": "application/toml", "swift": "text/plain; charset=utf-8",
        "c": "text/plain; charset=utf-8", "h": "text/plain; charset=utf-8",
        "cpp": "text/plain; charset=utf-8", "rs": "text/plain; charset=utf-8",
        "py": "text/plain; charset=utf-8", "sh": "text/plain; charset=utf-8",
        "ini": "text/plain; charset=utf-8", "conf": "text/plain; charset=utf-8",
        "diff": "text/x-diff; charset=utf-8", "patch": "text/x-diff; charset=utf-8",
        "srt": "text/plain; charset=utf-8", "sql": "application/sql",
        "graphql": "application/graphql; charset=utf-8", "proto": "text/plain; charset=utf-8",
        "json5": "application/json5", "gltf": "model/gltf+json", "glb": "model/gltf-binary",
        "stl": "model/stl", "obj": "model/obj", "kml": "application/vnd.google-earth.kml+xml",
        "gpx": "application/gpx+xml", "wsdl": "application/wsdl+xml",
        "asc": "application/pgp-signature", "sig": "application/pgp-signature",
        "pem": "application/x-pem-file", "crt": "application/x-x509-ca-cert",
        "der": "application/x-x509-ca-cert", "torrent": "application/x-bittorrent",
        "sqlite": "application/vnd.sqlite3", "parquet": "application/vnd.apache.parquet",
        "cbor": "application/cbor", "svg": "image/svg+xml", "png": "image/png",
        "jfif": "image/jpeg", "heif": "image/heif", "apng": "image/apng", "jpg": "image/jpeg",
        "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "avif": "image/avif",
        "heic": "image/heic", "jxl": "image/jxl", "bmp": "image/bmp",
        "ico": "image/vnd.microsoft.icon", "cur": "image/x-icon", "tif": "image/tiff",
        "tiff": "image/tiff", "woff": "font/woff", "woff2": "font/woff2", "ttf": "font/ttf",
        "otf": "font/otf", "ttc": "font/collection", "eot": "application/vnd.ms-fontobject",
        "mp3": "audio/mpeg", "m4a": "audio/mp4", "aac": "audio/aac", "ogg": "audio/ogg",
        "oga": "audio/ogg", "opus": "audio/ogg", "wav": "audio/wav", "flac": "audio/flac",
        "weba": "audio/webm", "aif": "audio/aiff", "aiff": "audio/aiff", "mid": "audio/midi",
        "midi": "audio/midi", "mp4": "video/mp4", "m4v": "video/mp4", "mov": "video/quicktime",
        "webm": "video/webm", "ogv": "video/ogg", "mpeg": "video/mpeg", "mpg": "video/mpeg",
        "avi": "video/x-msvideo", "3gp": "video/3gpp", "flv": "video/x-flv",
        "wmv": "video/x-ms-wmv", "mkv": "video/matroska", "ts": "video/mp2t",
        "m3u8": "application/vnd.apple.mpegurl", "mpd": "application/dash+xml",
        "pdf": "application/pdf", "rtf": "application/rtf", "ps": "application/postscript",
        "eps": "application/postscript", "epub": "application/epub+zip",
        "doc": "application/msword", "xls": "application/vnd.ms-excel",
        "ppt": "application/vnd.ms-powerpoint",
        "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt": "application/vnd.oasis.opendocument.text",
        "ods": "application/vnd.oasis.opendocument.spreadsheet", "zip": "application/zip",
        "gz": "application/gzip", "tgz": "application/gzip", "tar": "application/x-tar",
        "bz2": "application/x-bzip2", "xz": "application/x-xz", "zst": "application/zstd",
        "br": "application/octet-stream", "rar": "application/vnd.rar",
        "7z": "application/x-7z-compressed", "jar": "application/java-archive",
        "apk": "application/vnd.android.package-archive",
        "deb": "application/vnd.debian.binary-package", "rpm": "application/x-rpm",
        "iso": "application/x-iso9660-image", "wasm": "application/wasm",
        "bin": "application/octet-stream",
    ]
}
