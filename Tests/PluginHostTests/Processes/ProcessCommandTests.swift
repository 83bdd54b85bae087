import Confinement
import Glibc
import HostModel
import Testing

@testable import PluginHost

@Suite struct ProcessCommandTests {
    private func manifest(_ change: (inout Manifest.Process) -> Void = { _ in }) throws -> Manifest
    {
        let name = try #require(PluginName("hello"))
        var process = Manifest.Process(command: ["lib/server", "--fast"])
        process.environment = ["COLOR": "red", "ANIMAL": "a cat"]
        change(&process)
        var manifest = Manifest(
            name: name, version: SemanticVersion(1, 2, 3), abi: ABIVersion(major: 1, minor: 0),
            library: Manifest.Library(file: "server"))
        manifest.process = process
        return manifest
    }

    private func command(
        _ manifest: Manifest, socketPath: String? = nil, searchPath: String = "/usr/bin:/bin"
    ) throws -> ProcessCommand {
        let process = try #require(manifest.process)
        return try ProcessCommand(
            process, manifest: manifest,
            directory: RootLayout(root: "/r").plugin(manifest.name), files: "/f", generation: 7,
            instance: 1, socketPath: socketPath, searchPath: searchPath)
    }

    @Test func program_hasItsFileAndItsEnvironment() throws {
        let command = try command(manifest())
        #expect(command.executable == "/f/lib/server")
        #expect(command.arguments == ["--fast"])
        #expect(command.environment["COLOR"] == "red")
        #expect(command.environment["PLUGIN_HOST_PLUGIN"] == "hello")
        #expect(command.environment["PLUGIN_HOST_VERSION"] == "1.2.3")
        #expect(command.environment["PLUGIN_HOST_INSTANCE"] == "1")
        #expect(command.environment["PLUGIN_HOST_SOCKET"] == nil)
        #expect(command.environment["PATH"] == "/usr/bin:/bin")
    }

    @Test func confinedProgram_isStartedByTheHost_andTheLoaderSeesNothingOfItsEnvironment() throws {
        let scratch = try Scratch()
        try scratch.write("#!/bin/sh\n", to: "tools/bin/server")
        try scratch.write("", to: "tools/lib/part")
        #expect(chmod(scratch.path + "/tools/bin/server", 0o755) == 0)
        let program = scratch.path + "/tools/bin/server"
        let plain = try command(
            manifest {
                $0.command = [program, "lib/server"]
                $0.environment = ["LD_PRELOAD": "lib/evil.so", "LISTEN": "x"]
            })
        let confined = plain.confined(by: Confinement(readable: ["/r"], writable: ["/w"]))
        #expect(confined.executable == "/proc/self/exe")
        let (confinement, rest) = try #require(
            Confinement.parse(Array(confined.arguments.dropFirst())))
        #expect(confined.arguments.first == "confine")
        #expect(rest == [program, "lib/server"])
        #expect(confinement.writable == ["/w"])
        #expect(
            confinement.readable.map { $0.replacing(scratch.path, with: "") }.suffix(4) == [
                "/r", "/tools/bin/server", "/tools/lib", "/tools/bin",
            ])
        #expect(confined.environment["CONFINED_LD_PRELOAD"] == "lib/evil.so")
        #expect(
            confined.environment.keys.allSatisfy {
                $0.hasPrefix("CONFINED_") || $0 == "LD_LIBRARY_PATH"
            })
    }

    @Test func interpreter_isLookedUp() throws {
        let command = try command(manifest { $0.command = ["env", "lib/server"] })
        #expect(["/usr/bin/env", "/bin/env"].contains(command.executable))
        #expect(command.arguments == ["lib/server"])
        #expect {
            _ = try self.command(self.manifest { $0.command = ["no-such-program", "lib/server"] })
        } throws: {
            ($0 as? HostError)?.code == "program_missing"
        }
    }

    @Test func containerWithoutPodman_isRefusedWithItsCure() throws {
        #expect {
            _ = try command(manifest { $0.image = "alpine:3" }, searchPath: "/nowhere")
        } throws: {
            guard let error = $0 as? HostError else { return false }
            return error.code == "podman_missing" && error.remedy.contains("install podman")
        }
    }

    @Test func container_isStartedByPodman_withNothingButWhatItNeeds() throws {
        let scratch = try Scratch()
        try scratch.write("#!/bin/sh\n", to: "podman")
        #expect(chmod(scratch.path + "/podman", 0o755) == 0)
        let command = try command(
            manifest { $0.image = "alpine:3" }, socketPath: "/s/run-1/socket",
            searchPath: "/nowhere:" + scratch.path)
        #expect(command.executable == scratch.path + "/podman")
        #expect(
            command.arguments == [
                "run", "--rm", "--init", "--name", "plugin-host-hello-7-1-\(getpid())",
                "--network=none", "--read-only", "--cap-drop=all",
                "--security-opt=no-new-privileges", "--log-driver=none", "--pull=missing",
                "--volume=/f/lib:/plugin/lib:ro", "--volume=/r/plugins/hello/sqlite:/data",
                "--workdir=/plugin", "--volume=/s/run-1:/run/plugin-host", "--env=ANIMAL=a cat",
                "--env=COLOR=red", "--env=PLUGIN_HOST_DATA=/data", "--env=PLUGIN_HOST_INSTANCE=1",
                "--env=PLUGIN_HOST_PLUGIN=hello",
                "--env=PLUGIN_HOST_SOCKET=/run/plugin-host/socket",
                "--env=PLUGIN_HOST_VERSION=1.2.3", "alpine:3", "lib/server", "--fast",
            ])
        #expect(command.environment["COLOR"] == nil)
    }

    @Test func files_areACopyThatOthersCannotChange() throws {
        let scratch = try Scratch()
        try scratch.write("one", to: "lib/server")
        try scratch.write("two", to: "lib/parts/more")
        #expect(symlink("parts/more", scratch.path + "/lib/link") == 0)
        let files = try ProcessFiles(
            of: scratch.path + "/lib", in: scratch.path + "/run", generation: 3)
        try scratch.write("changed", to: "lib/server")
        #expect(try Files.text(files.directory + "/lib/server") == "one")
        #expect(try Files.text(files.directory + "/lib/link") == "two")
        #expect(access(files.directory + "/lib/server", X_OK) == 0)
        files.remove()
        #expect(try Files.tree(scratch.path + "/run").isEmpty)
    }
}
