import Foundation
import Glibc
import Synchronization
import Testing

@testable import DynamicLibrary

/// Libraries with one property each, compiled from Tests/Fixtures/elf when a test asks for them.
enum Fixtures {
    /// A directory for the built libraries, removed when the process exits.
    static let directory: String = {
        let path = FileManager.default.temporaryDirectory.path + "/dynamic-library-\(getpid())"
        try? FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
        atexit {
            try? FileManager.default.removeItem(atPath: Fixtures.directory)
        }
        return path
    }()

    static let sources: String =
        (#filePath as NSString).deletingLastPathComponent + "/../../Fixtures/elf"

    private static let built = Mutex<[String: String]>([:])

    /// Whether a program is there.
    static func has(_ tool: String) -> Bool {
        path(of: tool) != nil
    }

    static func path(of tool: String) -> String? {
        let search = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin"
        return search.split(separator: ":").map { "\($0)/\(tool)" }
            .first { access($0, X_OK) == 0 }
    }

    /// Builds a fixture with the compiler for its language, once for each set of flags.
    static func build(
        _ source: String, flags: [String] = [], compiler: String? = nil, libraries: [String] = []
    ) throws -> String {
        let key = ([source, compiler ?? ""] + flags + libraries).joined(separator: " ")
        return try built.withLock { built in
            if let known = built[key] { return known }
            let stem = source.split(separator: ".")[0]
            let output = "\(directory)/\(stem)-\(built.count).so"
            let input = "\(sources)/\(source)"
            let tool: String
            var arguments: [String]
            switch source.split(separator: ".").last {
            case "rs":
                tool = compiler ?? "rustc"
                arguments = ["-O", "--crate-type", "cdylib", input, "-o", output]
            case "swift":
                tool = compiler ?? "swiftc"
                arguments = [
                    "-O", "-parse-as-library", "-emit-library", "-module-name", String(stem), input,
                    "-o", output,
                ]
            default:
                tool = compiler ?? (source.hasSuffix(".cpp") ? "g++" : "gcc")
                arguments = ["-O2", "-fPIC", "-shared", input, "-o", output, "-pthread"]
            }
            arguments += flags + libraries
            try run(tool, arguments)
            built[key] = output
            return output
        }
    }

    /// The flags with which a Swift library keeps its runtime to itself.
    static var staticSwift: [String] {
        [
            "-static-stdlib", "-Xlinker", "--version-script=\(sources)/entry_only.map", "-Xlinker",
            "--gc-sections", "-Xlinker", "-s",
        ]
    }

    static func run(_ tool: String, _ arguments: [String]) throws {
        let environment = ProcessInfo.processInfo.environment.map { "\($0)=\($1)" }
        let outcome = try ThrowawayProcess(
            executable: try #require(path(of: tool), "\(tool) is not installed"),
            arguments: arguments, environment: environment, deadline: .seconds(120)
        ).runBlocking()
        try #require(
            outcome.isSuccess,
            "\(tool) \(arguments): \(String(decoding: outcome.errors, as: UTF8.self))")
    }

    private static let generations = Atomic<UInt64>(0)

    /// A private copy that no other test shares.
    static func copy(of library: String, stem: String = "fixture") throws -> PrivateCopy {
        try PrivateCopy(
            of: library, in: directory + "/run", stem: stem,
            generation: generations.add(1, ordering: .relaxed).newValue)
    }

    /// Builds, copies and loads a fixture.
    static func load(
        _ source: String, flags: [String] = [], compiler: String? = nil
    ) throws -> LoadedImage {
        try LoadedImage(copy(of: build(source, flags: flags, compiler: compiler)))
    }
}

extension LoadedImage {
    typealias IntFunction = @convention(c) (Int32) -> Int32
    typealias WatchFunction = @convention(c) (UnsafeMutablePointer<Int32>) -> Int32
    typealias VoidFunction = @convention(c) () -> Void

    /// Calls an exported `int (int)`, acting for the image.
    @discardableResult
    func call(_ name: String = "fixture_entry", _ value: Int32 = 1) throws -> Int32 {
        let function = unsafeBitCast(try #require(symbol(name)), to: IntFunction.self)
        let previous = ImageContext.enter(id)
        defer { ImageContext.leave(previous) }
        return function(value)
    }

    /// Calls an exported `void (void)`.
    func call(void name: String) throws {
        unsafeBitCast(try #require(symbol(name)), to: VoidFunction.self)()
    }

    /// Calls an exported `int (int *)`.
    func watch(_ count: UnsafeMutablePointer<Int32>) throws -> Int32 {
        let function = unsafeBitCast(
            try #require(symbol("fixture_watch")), to: WatchFunction.self)
        return function(count)
    }
}

/// A thread that runs what it is given, one after the other, until it is told to end.
final class Worker: @unchecked Sendable {
    // because `jobs` is used under the condition's lock only
    private let condition = NSCondition()
    private var jobs: [() -> Void] = []
    private var isEnding = false
    private var thread = pthread_t()

    init() {
        let retained = Unmanaged.passRetained(self)
        pthread_create(
            &thread, nil,
            { value in
                Unmanaged<Worker>.fromOpaque(value!).takeRetainedValue().loop()
                return nil
            }, retained.toOpaque())
    }

    private func loop() {
        while true {
            condition.lock()
            while jobs.isEmpty && !isEnding { condition.wait() }
            if jobs.isEmpty {
                condition.unlock()
                return
            }
            let job = jobs.removeFirst()
            condition.unlock()
            job()
        }
    }

    /// Runs a closure on the thread and waits for it.
    func run<R: Sendable>(_ body: @escaping @Sendable () -> R) -> R {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<R?>(nil)
        condition.lock()
        jobs.append {
            let value = body()
            result.withLock { $0 = value }
            done.signal()
        }
        condition.signal()
        condition.unlock()
        done.wait()
        return result.withLock { $0! }
    }

    /// Ends the thread and waits until it has ended.
    func end() {
        condition.lock()
        isEnding = true
        condition.signal()
        condition.unlock()
        pthread_join(thread, nil)
    }
}

/// What this process holds, for comparisons before and after.
struct Holdings: Equatable {
    var fds: Int
    var threads: Int
    var keys: Int
    var mappings: Int

    static func now() -> Holdings {
        Holdings(
            fds: count("/proc/self/fd"), threads: count("/proc/self/task"), keys: freeKeys(),
            mappings: mappingCount())
    }

    private static func count(_ path: String) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: path).count) ?? -1
    }

    /// How many mappings of files there are; the allocator's own come and go.
    static func mappingCount() -> Int {
        systemText("/proc/self/maps").split(separator: "\n").count { $0.contains("/") }
    }

    /// The bytes in use on the heap.
    static func heapBytes() throws -> Int {
        let library = try Fixtures.build("heap.c")
        let handle = try #require(dlopen(library, RTLD_NOW | RTLD_LOCAL))
        typealias Function = @convention(c) () -> Int
        return unsafeBitCast(try #require(dlsym(handle, "fixture_heap")), to: Function.self)()
    }

    /// How many pthread keys can still be made.
    static func freeKeys() -> Int {
        var keys: [pthread_key_t] = []
        var key = pthread_key_t()
        while pthread_key_create(&key, nil) == 0 { keys.append(key) }
        for key in keys { pthread_key_delete(key) }
        return keys.count
    }
}

/// The text of a file under /proc, which has no length; empty if it cannot be read.
func systemText(_ path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let got = fread(&buffer, 1, buffer.count, file)
        if got == 0 { return String(decoding: text, as: UTF8.self) }
        text += buffer[0..<got]
    }
}

/// Waits for a condition that no event announces.
func eventually(_ condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while !condition() {
        try #require(ContinuousClock.now < deadline, "it never happened")
        await Task.yield()
    }
}
