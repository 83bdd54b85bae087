import CPluginABI
import HTTPServer
import HostModel
import Testing

@testable import PluginHost

/// A plugin that has nothing but hooks, which are closures.
final class FakeHooker: Sendable {
    let fake: FakePlugin
    let member: Member
    private let boxes = Recorder<Box>()

    /// What a request is for a closure.
    struct Call: @unchecked Sendable {
        let raw: UnsafePointer<ph_request_call>

        var plugin: String { FakeCall.string(raw.pointee.plugin) }
        var route: String {
            "\(FakeCall.string(raw.pointee.method)) \(FakeCall.string(raw.pointee.pattern))"
        }
        var path: String { FakeCall.string(raw.pointee.request.pointee.path) }
        var word: Int {
            get { Int(bitPattern: raw.pointee.word.pointee) }
            nonmutating set {
                raw.pointee.word.pointee = UnsafeMutableRawPointer(bitPattern: newValue)
            }
        }
        var answering: FakeCall? {
            raw.pointee.response.map {
                FakeCall(request: raw.pointee.request, response: $0, http: PluginHTTP.table)
            }
        }
    }

    typealias Enter = @Sendable (Call) -> Int
    typealias Leave = @Sendable (Call, ph_request_outcome) -> Int
    typealias Respond = @Sendable (Call, ResponseHead) -> Int
    typealias PointEnter = @Sendable (UnsafePointer<ph_point_call>) -> (Int, String)
    typealias PointLeave = @Sendable (UnsafePointer<ph_point_call>, Int) -> Int

    private final class Box: Sendable {
        let enter: Enter?
        let leave: Leave?
        let respond: Respond?
        let pointEnter: PointEnter?
        let pointLeave: PointLeave?

        init(
            enter: Enter? = nil, leave: Leave? = nil, respond: Respond? = nil,
            pointEnter: PointEnter? = nil, pointLeave: PointLeave? = nil
        ) {
            self.enter = enter
            self.leave = leave
            self.respond = respond
            self.pointEnter = pointEnter
            self.pointLeave = pointLeave
        }

        static func at(_ context: UnsafeMutableRawPointer?) -> Box {
            Unmanaged<Box>.fromOpaque(context!).takeUnretainedValue()
        }
    }

    init(_ name: String, number: UInt64 = 1, reactors: Int = 2) throws {
        fake = try FakePlugin(name, number: number, reactors: reactors) { $0.respond(200) }
        member = Member(
            manifest: Manifest(
                name: try PluginName(checking: name), version: SemanticVersion(1, 0, 0),
                abi: ABIVersion(rawValue: HostVersion.abi),
                library: Manifest.Library(file: "libfake.so")), number: number)
        member.generation = fake.generation
        member.pool = fake.generation.pool
    }

    private func add(
        _ point: PointName, _ options: HookOptions, _ functions: RegisteredHook.Functions,
        _ box: Box
    ) -> RegisteredHook {
        var functions = functions
        functions.context = Unmanaged.passUnretained(box).toOpaque()
        boxes.add(box)
        let hook = RegisteredHook(
            point, options, functions, of: member, log: HostLog(minimum: .error, descriptor: -1))
        member.hooks.withLock { $0.append(hook) }
        return hook
    }

    @discardableResult
    func request(
        _ kind: HookOptions.Kind, priority: Int32 = 0, policy: HookOptions.Policy = .fail,
        blocks: Bool = false, enter: Enter? = nil, leave: Leave? = nil
    ) -> RegisteredHook {
        var functions = RegisteredHook.Functions()
        if enter != nil {
            functions.enter = { ph_status(Box.at($0).enter!(Call(raw: $1!))) }
        }
        if leave != nil {
            functions.leave = { ph_status(Box.at($0).leave!(Call(raw: $1!), $2!.pointee)) }
        }
        return add(
            .request,
            HookOptions(kind: kind, priority: priority, policy: policy, blocks: blocks),
            functions, Box(enter: enter, leave: leave))
    }

    @discardableResult
    func response(
        priority: Int32 = 0, policy: HookOptions.Policy = .fail, _ respond: @escaping Respond
    ) -> RegisteredHook {
        var functions = RegisteredHook.Functions()
        functions.respond = {
            ph_status(Box.at($0).respond!(Call(raw: $1!), ResponseHead.of($2!)))
        }
        return add(
            .response, HookOptions(kind: .before, priority: priority, policy: policy), functions,
            Box(respond: respond))
    }

    @discardableResult
    func point(
        _ name: String, _ kind: HookOptions.Kind, priority: Int32 = 0,
        policy: HookOptions.Policy = .fail, enter: PointEnter? = nil, leave: PointLeave? = nil
    ) throws -> RegisteredHook {
        var functions = RegisteredHook.Functions()
        if enter != nil {
            functions.pointEnter = { context, call, error in
                let (status, reason) = Box.at(context).pointEnter!(call!)
                return reason.isEmpty
                    ? ph_status(status)
                    : reason.withCString { ph_fail(error, ph_status(status), $0) }
            }
        }
        if leave != nil {
            functions.pointLeave = { context, call, result, error in
                ph_status(Box.at(context).pointLeave!(call!, Int(result)))
            }
        }
        return add(
            try #require(PointName(name)),
            HookOptions(kind: kind, priority: priority, policy: policy), functions,
            Box(pointEnter: enter, pointLeave: leave))
    }
}

extension BridgeServer {
    /// Has the hooks of these plugins take effect, in one step.
    func hook(_ hookers: [FakeHooker], with hooks: Hooks, on plugins: [FakePlugin]) async {
        for hooker in hookers { hooks.replace(nil, with: hooker.member) }
        await publish(
            MountTable(
                mounts: plugins.map { Mount(name: $0.generation.name, generation: $0.generation) }
            ).hooking(hooks.chain))
    }
}
