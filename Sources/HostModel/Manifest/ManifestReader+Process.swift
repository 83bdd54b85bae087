/// Reads `process` and `container`: a program that answers in the place of a library.
extension ManifestReader {
    mutating func process(_ root: JSONObject, mode: PluginMode?) -> Manifest.Process? {
        let isWanted = mode == .process || mode == .container
        guard let value = root["process"] else {
            if isWanted {
                refuse(
                    "/process", "it is missing", "add \"process\": {\"command\": [\"lib/server\"]}")
            }
            return nil
        }
        if !isWanted {
            refuse("/process", "there is no process in this mode", "add \"mode\": \"process\"")
        }
        let keys = ["command", "instances", "environment", "health", "socket"]
        guard let object = object(value, at: "/process", keys: keys) else { return nil }
        guard let command = command(object["command"]) else { return nil }
        var process = Manifest.Process(command: command)
        process.environment = environment(object["environment"])
        process.health = object["health"].flatMap {
            shaped($0, at: "/process/health", "a path begins with / and is plain ASCII") {
                let isPlain = $0.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x23 }
                return $0.hasPrefix("/") && isPlain && $0.utf8.count <= 1_024 ? $0 : nil
            }
        }
        process.socket =
            object["socket"].flatMap {
                shaped($0, at: "/process/socket", "a socket is \"descriptor\" or \"path\"") {
                    Manifest.Process.Socket(rawValue: $0)
                }
            } ?? .descriptor
        process.image = image(root["container"], mode: mode)
        return process
    }

    /// How many processes there are, where that is said beside the command.
    mutating func instances(of root: JSONObject) -> Int? {
        root["process"]?.object.flatMap {
            integer($0, "instances", 1...64, at: "/process")
        }
    }

    /// The library of a plugin that is a program: the file in `lib/` that its command names.
    mutating func programLibrary(
        _ value: JSONValue?, of process: Manifest.Process?
    ) -> Manifest.Library? {
        guard let file = process?.file else { return nil }
        var library = Manifest.Library(file: file)
        guard let value else { return library }
        guard let object = object(value, at: "/library", keys: ["file", "sha256"]) else {
            return nil
        }
        if let given = object["file"], given.string != file {
            refuse("/library/file", "the command names lib/\(file)", "leave \"file\" out")
        }
        library.sha256 = object["sha256"].flatMap {
            shaped($0, at: "/library/sha256", "a SHA-256 is 64 hex digits") { Digest(hex: $0) }
        }
        return library
    }

    private mutating func command(_ value: JSONValue?) -> [String]? {
        let path = "/process/command"
        guard value != nil else {
            refuse(path, "it is missing", "add \"command\": [\"lib/server\"]")
            return nil
        }
        var words: [String] = []
        for (index, element) in list(value, at: path, max: Manifest.Process.wordsMax).enumerated() {
            let word = shaped(
                element, at: "\(path)/\(index)",
                "a word is a text without NUL of at most \(ManifestLimit.textBytesMax) bytes"
            ) {
                !$0.isEmpty && $0.utf8.count <= ManifestLimit.textBytesMax && !$0.utf8.contains(0)
                    ? $0 : nil
            }
            guard let word else { return nil }
            words.append(word)
        }
        guard let program = words.first else {
            refuse(path, "it has no words", "name a program, such as \"lib/server\"")
            return nil
        }
        let isElsewhere = program.contains("/") && !program.hasPrefix("/")
        if isElsewhere, !program.hasPrefix("lib/") {
            refuse(
                path + "/0", "\(Escaping.quoted(program)) is not in lib/",
                "put the program into lib/, name it without a slash, or by its whole path")
        }
        let files = words.filter { $0.hasPrefix("lib/") }
        guard let first = files.first else {
            refuse(
                path, "it names no file of the bundle",
                "name the program's file as \"lib/NAME\", so that its change can be seen")
            return nil
        }
        if files.contains(where: { $0.split(separator: "/").contains("..") }) {
            refuse(path, "it leads out of lib/", "name files of the bundle only")
        }
        guard fileName(.string(String(first.dropFirst(4))), at: path) != nil else { return nil }
        return words
    }

    private mutating func environment(_ value: JSONValue?) -> [String: String] {
        guard let value, let object = object(value, at: "/process/environment") else { return [:] }
        var result: [String: String] = [:]
        if object.count > Manifest.Process.variablesMax {
            refuse(
                "/process/environment", "it has \(object.count) variables",
                "at most \(Manifest.Process.variablesMax) are allowed")
        }
        for (name, value) in object.members {
            let path = "/process/environment/" + Self.pointer(name)
            let isReserved = name.hasPrefix("LISTEN_") || name.hasPrefix("PLUGIN_HOST_")
            let isName =
                !name.isEmpty && name.utf8.first.map { !(0x30...0x39).contains($0) } == true
                && name.utf8.allSatisfy {
                    (0x30...0x39).contains($0) || (0x41...0x5A).contains($0 & 0xDF) || $0 == 0x5F
                }
            guard isName, !isReserved else {
                refuse(
                    path, isReserved ? "the host sets it" : "it is no name of a variable",
                    "use letters, digits and underscores, and neither LISTEN_ nor PLUGIN_HOST_")
                continue
            }
            result[name] = shaped(value, at: path, "a value is a text without NUL") {
                $0.utf8.contains(0) || $0.utf8.count > ManifestLimit.textBytesMax ? nil : $0
            }
        }
        return result
    }

    private mutating func image(_ value: JSONValue?, mode: PluginMode?) -> String? {
        guard let value else {
            if mode == .container {
                refuse(
                    "/container", "it is missing",
                    "add \"container\": {\"image\": \"docker.io/library/python:3.13-slim\"}")
            }
            return nil
        }
        if mode != .container {
            refuse(
                "/container", "there is no container in this mode", "add \"mode\": \"container\"")
        }
        guard let object = object(value, at: "/container", keys: ["image"]),
            let image = required(
                object, "image", under: "/container", cure: "add \"image\": \"NAME:TAG\"")
        else { return nil }
        return shaped(
            image, at: "/container/image", "an image is a name such as docker.io/library/alpine:3"
        ) {
            let isPlain = $0.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF)
                    || "./:@_-".utf8.contains(byte)
            }
            return isPlain && !$0.isEmpty && !$0.hasPrefix("-") && $0.utf8.count <= 512 ? $0 : nil
        }
    }
}
