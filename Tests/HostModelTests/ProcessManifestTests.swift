import HostModel
import Testing

@Suite struct ProcessManifestTests {
    private func read(_ rest: String) throws -> Manifest.Reading {
        Manifest.read(
            try JSON.parse(
                Array("{\"name\": \"p\", \"version\": \"1.0.0\", \"abi\": \"1.0\", \(rest)}".utf8),
                source: "test"))
    }

    private func objections(_ rest: String) throws -> [String] {
        try read(rest).objections.map(\.path)
    }

    @Test func program_isReadWithAllThatBelongsToIt() throws {
        let manifest = try #require(
            try read(
                """
                "mode": "process", "process": {"command": ["python3", "-u", "lib/server.py", "x"],
                "instances": 3, "environment": {"A_1": "b c"}, "health": "/health?x=1",
                "socket": "path"}
                """
            ).manifest)
        #expect(manifest.mode == .process)
        #expect(manifest.instances == 3)
        #expect(manifest.library.file == "server.py")
        #expect(manifest.process?.command == ["python3", "-u", "lib/server.py", "x"])
        #expect(manifest.process?.environment == ["A_1": "b c"])
        #expect(manifest.process?.health == "/health?x=1")
        #expect(manifest.process?.socket == .path)
        #expect(manifest.process?.image == nil)
    }

    @Test func container_isAProgramWithAnImage() throws {
        let manifest = try #require(
            try read(
                """
                "mode": "container", "process": {"command": ["lib/run"]},
                "container": {"image": "docker.io/library/alpine:3@sha256:00"}
                """
            ).manifest)
        #expect(manifest.process?.image == "docker.io/library/alpine:3@sha256:00")
        #expect(manifest.process?.socket == .descriptor)
    }

    private static func program(_ rest: String) -> String {
        "\"mode\": \"process\", \"process\": {\"command\": [\"lib/a\"]\(rest)}"
    }

    static let wrong: [(String, String)] = [
        ("\"mode\": \"process\"", "/process"),
        ("\"process\": {\"command\": [\"lib/a\"]}", "/process"),
        ("\"mode\": \"process\", \"process\": {}", "/process/command"),
        ("\"mode\": \"process\", \"process\": {\"command\": []}", "/process/command"),
        ("\"mode\": \"process\", \"process\": {\"command\": [\"sh\"]}", "/process/command"),
        (
            "\"mode\": \"process\", \"process\": {\"command\": [\"bin/a\", \"lib/a\"]}",
            "/process/command/0"
        ),
        ("\"mode\": \"process\", \"process\": {\"command\": [\"lib/../a\"]}", "/process/command"),
        ("\"mode\": \"process\", \"process\": {\"command\": [\"lib/a/b\"]}", "/process/command"),
        (
            "\"mode\": \"process\", \"process\": {\"command\": [\"lib/a\"], \"instances\": 0}",
            "/process/instances"
        ),
        (
            "\"mode\": \"process\", \"process\": {\"command\": [\"lib/a\"], \"health\": \"a\"}",
            "/process/health"
        ),
        (
            "\"mode\": \"process\", \"process\": {\"command\": [\"lib/a\"], \"health\": \"/a b\"}",
            "/process/health"
        ),
        (
            program(", \"environment\": {\"LISTEN_FDS\": \"2\"}"),
            "/process/environment/LISTEN_FDS"
        ),
        (
            program(", \"environment\": {\"A=B\": \"2\"}"),
            "/process/environment/A=B"
        ),
        ("\"mode\": \"container\", \"process\": {\"command\": [\"lib/a\"]}", "/container"),
        (
            "\"mode\": \"container\", \"process\": {\"command\": [\"lib/a\"]}, "
                + "\"container\": {\"image\": \"--privileged\"}",
            "/container/image"
        ),
    ]

    @Test(arguments: wrong)
    func whatIsWrong_isNamed(_ rest: String, _ path: String) throws {
        let found = try objections(rest)
        #expect(found.contains(path), "\(found)")
    }
}
