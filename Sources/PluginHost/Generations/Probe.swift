import CPluginABI
import Confinement
import DynamicLibrary
import Glibc
import HostModel

/// The throwaway load: an image is opened, asked for its manifest and closed in a process of its
/// own, before it may enter the host.
///
/// The child is the host's own executable, run as `host probe LIBRARY NAME [--keep]`. It prints one
/// line of JSON; a child that prints something else, dies or takes too long has failed. It confines
/// itself first: there is no network, nothing to be written, no process to be started or signalled,
/// and no more than a share of the machine's memory.
package enum Probe {
    private enum Key {
        static let manifest = "manifest"
        static let error = "error"
    }

    private static let keepOption = "--keep"

    /// Runs the child and returns what the code says of itself.
    ///
    /// - Parameter closes: whether the image is expected to unload; if not, the child does not try.
    /// - Throws: `probe_failed` when the child crashed, hung or spoke nonsense; the child's own
    ///   error when it refused the image.
    nonisolated(nonsending) static func run(
        executable: String, library: String, name: PluginName, closes: Bool, seconds: Int,
        subject: String, needing libraries: [String]
    ) async throws(HostError) -> CodeManifest {
        let confinement = confinement(library, needing: libraries, seconds: seconds)
        let process = ThrowawayProcess(
            executable: executable,
            arguments: ["probe"] + confinement.arguments + [library, name.text]
                + (closes ? [] : [keepOption]),
            environment: inherited, deadline: .seconds(seconds))
        let outcome: ThrowawayProcess.Outcome
        do throws(LibraryError) {
            outcome = try await process.run()
        } catch {
            throw HostError(error)
        }
        guard outcome.isSuccess else {
            throw failure(name, subject, "the process " + outcome.summary + lastWords(outcome))
        }
        guard let json = try? JSON.parse(outcome.output) else {
            throw failure(name, subject, "it ended the process before its manifest could be read")
        }
        if json[Key.error] != nil {
            var error = try HostError(json: json)
            error.subject = subject
            throw error
        }
        return try CodeManifest(json: json[Key.manifest] ?? .null)
    }

    /// What the child may do.
    private static func confinement(
        _ library: String, needing libraries: [String], seconds: Int
    ) -> Confinement {
        var confinement = Confinement(readable: [library] + libraries)
        // The filter of system calls leaves no network; a namespace would cost more than the rest.
        confinement.usesNetworkNamespace = false
        confinement.limits = .throwaway
        confinement.limits.processorSecondsMax = UInt64(2 * seconds)
        confinement.descriptors = []
        return confinement
    }

    private static func failure(
        _ name: PluginName, _ subject: String, _ reason: String
    ) -> HostError {
        HostError(
            "probe_failed", what: "plugin \"\(name)\" failed in a throwaway process",
            subject: subject, why: reason,
            fix: "look at its constructors and \(PH_ENTRY_SYMBOL): they crash, exit or hang")
    }

    private static func lastWords(_ outcome: ThrowawayProcess.Outcome) -> String {
        let text = String(decoding: outcome.errors.suffix(512), as: UTF8.self)
        let line = text.split(separator: "\n").last.map(String.init) ?? ""
        return line.isEmpty ? "" : "; it said: \(line)"
    }

    /// What the loader goes by in the host, it goes by in the child.
    private static let inherited: [String] = {
        guard let path = unsafe getenv("LD_LIBRARY_PATH") else { return [] }
        return unsafe ["LD_LIBRARY_PATH=" + String(cString: path)]
    }()

    /// The child's side. Prints the report and returns the exit status.
    package static func main(_ words: [String]) -> Int32 {
        guard let (confinement, arguments) = Confinement.parse(words), arguments.count >= 2,
            let name = PluginName(arguments[1])
        else { return 2 }
        let json: JSONValue
        do throws(HostError) {
            try confine(confinement)
            let code = try load(arguments[0], name, keeps: arguments.contains(keepOption))
            json = [Key.manifest: code.json]
        } catch {
            json = error.json
        }
        var text = json.text() + "\n"
        let whole = text.withUTF8 { bytes in
            unsafe write(STDOUT_FILENO, bytes.baseAddress, bytes.count) == bytes.count
        }
        return whole ? 0 : 1
    }

    private static func confine(_ confinement: Confinement) throws(HostError) {
        do throws(ConfinementError) {
            try confinement.apply()
        } catch {
            throw HostError(error)
        }
    }

    private static func load(
        _ path: String, _ name: PluginName, keeps: Bool
    ) throws(HostError) -> CodeManifest {
        let log = HostLog(minimum: .error)
        let manifest = Manifest(
            name: name, version: SemanticVersion(0, 0, 0),
            abi: ABIVersion(rawValue: HostVersion.abi),
            library: Manifest.Library(file: path))
        let door = ServiceDoor(
            member: Member(manifest: manifest, number: 1), granted: [], switchboard: Switchboard(),
            log: log)
        let host = unsafe HostObject(
            door: door,
            directories: PluginDirectories(
                root: "/", staticFiles: "/", sqlite: "/", events: "/", run: "/"),
            http: PluginHTTP.table)
        let image: LoadedImage
        do throws(LibraryError) {
            // The host has looked for what the file needs; here it is only loaded.
            let inspection = try ImageInspection.inspect(path, search: nil)
            image = try LoadedImage(try PrivateCopy(lentAt: path), inspection: inspection)
        } catch {
            throw HostError(error)
        }
        guard let entry = unsafe image.symbol(PH_ENTRY_SYMBOL) else {
            throw PluginImage.noEntry(path)
        }
        let code = try unsafe PluginCode(entry: entry, host: host.pointer, subject: path)
        guard !keeps else { return code.manifest }
        let outcome = image.close()
        guard !outcome.isUnloaded else { return code.manifest }
        throw HostError(
            "does_not_unload", what: "the image stayed in memory after it was closed",
            subject: path, objections: outcome.reasons)
    }
}
