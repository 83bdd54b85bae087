import Foundation
import Glibc
import Testing

/// Engines that crash one after the other: what outlives them keeps nothing of them.
///
/// A run has ten crashes; `CRASHES=1000` says otherwise.
@Suite(.ownThreads, .timeLimit(.minutes(60))) struct CrashSoakTests {
    private static let count =
        ProcessInfo.processInfo.environment["CRASHES"].flatMap { Int($0) } ?? 10

    @Test func supervisor_doesNotGrow() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("crash_lab"))
        let supervisor = ProcessState(pid: host.process.pid)
        var milliseconds: [Double] = []
        func crash() throws {
            let begin = Date()
            _ = try? host.get("/plugin/crash-lab/api/crash?how=null")
            #expect(try host.hello("sound") == hello)
            milliseconds.append(Date().timeIntervalSince(begin) * 1_000)
            let admin = try HTTPClient(unixSocket: "\(root.path)/host.sock")
            #expect(
                try admin.request("POST", "/plugins/crash-lab/activate", body: "{}").status == 200)
        }
        // What is made once is no growth.
        for _ in 0..<3 { try crash() }
        let (descriptors, bytes) = (supervisor.fileDescriptorCount, supervisor.residentBytes)
        let threads = supervisor.threads.count
        milliseconds = []
        for _ in 0..<Self.count { try crash() }
        try eventually("descriptors are as before: \(descriptors)") {
            supervisor.fileDescriptorCount == descriptors
        }
        let grown = supervisor.residentBytes - bytes
        #expect(grown < 4 << 20, "\(grown) bytes more are in use")
        #expect(supervisor.threads.count <= threads && supervisor.children.count == 1)
        let chronicle = try Chronicle(root)
        #expect(chronicle.events("engine_crashed_v1").count == Self.count + 3)
        #expect(chronicle.continues(chronicle), "no number is missing")
        milliseconds.sort()
        let (median, worst) = (milliseconds[milliseconds.count / 2], milliseconds.last ?? 0)
        print("\(Self.count) crashes, \(grown) bytes more, \(descriptors) descriptors")
        print("back after \(median) ms, at the latest \(worst)")
        #expect(try host.terminate() == 0)
    }
}
