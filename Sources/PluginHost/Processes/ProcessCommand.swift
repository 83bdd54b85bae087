import Glibc
import HostModel

/// The program that is started for a plugin, and with what.
struct ProcessCommand: Sendable {
    var executable: String
    var arguments: [String]
    var environment: [String: String]

    /// Works out how a plugin's program is started.
    ///
    /// - Parameters:
    ///   - socketPath: where the program makes its socket; nil: it has it already.
    ///   - searchPath: where programs are looked up.
    /// - Throws: `program_missing`, or `podman_missing` where a container is wanted.
    init(
        _ process: Manifest.Process, manifest: Manifest, directory: PluginDirectory,
        files: String, generation: UInt64, instance: Int, socketPath: String?,
        searchPath: String = Manifest.Process.searchPath
    ) throws(HostError) {
        var variables = process.environment
        variables["PLUGIN_HOST_PLUGIN"] = manifest.name.text
        variables["PLUGIN_HOST_VERSION"] = manifest.version.description
        variables["PLUGIN_HOST_INSTANCE"] = "\(instance)"
        guard let image = process.image else {
            variables["PLUGIN_HOST_DATA"] = directory.sqlite
            variables["PLUGIN_HOST_SOCKET"] = socketPath
            variables["PATH"] = variables["PATH"] ?? searchPath
            variables["HOME"] = variables["HOME"] ?? directory.own
            variables["TMPDIR"] = variables["TMPDIR"] ?? directory.own
            executable = try Self.find(
                process.command[0], files: files, searchPath: searchPath, name: manifest.name)
            arguments = Array(process.command.dropFirst())
            environment = variables
            return
        }
        guard let podman = Self.lookUp("podman", searchPath) else {
            throw HostError(
                "podman_missing", what: "plugin \"\(manifest.name)\" cannot run in a container",
                why: "there is no podman in \(searchPath)",
                fix: "install podman, or run the program without a container: \"mode\": \"process\""
            )
        }
        variables["PLUGIN_HOST_DATA"] = "/data"
        if socketPath != nil { variables["PLUGIN_HOST_SOCKET"] = "/run/plugin-host/socket" }
        executable = podman
        arguments =
            [
                "run", "--rm", "--init",
                "--name", "plugin-host-\(manifest.name)-\(generation)-\(instance)-\(getpid())",
                "--network=none", "--read-only", "--cap-drop=all",
                "--security-opt=no-new-privileges", "--log-driver=none", "--pull=missing",
                "--volume=\(files)/lib:/plugin/lib:ro", "--volume=\(directory.sqlite):/data",
                "--workdir=/plugin",
            ]
            + (socketPath.map { path in
                ["--volume=\(Self.parent(of: path)):/run/plugin-host"]
            } ?? [])
            + variables.sorted { $0.key < $1.key }.map { "--env=\($0.key)=\($0.value)" }
            + [image] + process.command
        // What podman itself needs to find its storage.
        environment = CommandEnvironment.variables(
            ["HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "TMPDIR"])
        environment["PATH"] = searchPath
    }

    /// The path of the program that a command names.
    private static func find(
        _ program: String, files: String, searchPath: String, name: PluginName
    ) throws(HostError) -> String {
        if program.hasPrefix("lib/") { return files + "/" + program }
        let found = program.hasPrefix("/") ? program : lookUp(program, searchPath)
        if let found, unsafe access(found, X_OK) == 0 { return found }
        throw HostError(
            "program_missing", what: "plugin \"\(name)\" cannot be started",
            subject: program, why: "there is no such program in \(searchPath)",
            fix: "install it, or name it by its whole path in \"process\": {\"command\": ...}")
    }

    private static func parent(of path: String) -> Substring {
        path[..<(path.lastIndex(of: "/") ?? path.endIndex)]
    }

    private static func lookUp(_ program: String, _ searchPath: String) -> String? {
        searchPath.split(separator: ":").map { $0 + "/" + program }
            .first { unsafe access($0, X_OK) == 0 }
    }
}
