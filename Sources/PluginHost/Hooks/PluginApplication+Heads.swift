import CPluginABI
import HTTPServer
import HTTPWire
import Synchronization

/// Responses of processes, whose heads the hooks of the response look at as well.
///
/// 1. The server has the head, and asks with `takesHead`. Without such hooks that is all.
/// 2. The hooks are called on a thread of the plugin that answers, as they may take their time.
/// 3. The server goes on with what they have made of the head.
extension PluginApplication {
    /// Has the hooks of the response look at a head; false if there are none.
    func showHead(
        _ exchange: Exchange, _ status: UInt16, _ fields: UnsafeBufferPointer<HeaderField>
    ) -> Bool {
        guard let follower = unsafe exchange.follower else { return false }
        let frame = unsafe follower.assumingMemoryBound(to: HookFrame.self)
        let record = unsafe RecordPointer(exchange).record
        guard unsafe frame.pointee.respondCount > 0,
            let owner = unsafe record.pointee.serving.pointee.owner
        else { return false }
        // There is a response: whoever is shown its head cannot give another one.
        let word = unsafe record.pointee.word.load(ordering: .acquiring)
        _ = unsafe RecordPointer(exchange).exchangePhase(.complete, from: word)
        unsafe HookFrame.keep(ResponseHead(copying: fields, status), frame)
        // Kept alive for the way back, whatever becomes of the server.
        let reactor = exchange.reactor
        exchange.hold()
        let isTaken = unsafe owner._withUnsafeGuaranteedRef { $0.pool }
            .submit(beyondQueue: true) {
                withExtendedLifetime(reactor) { Self.showOnPool(exchange) }
            }
        // Without a thread nobody has looked at it, so nobody is given it.
        if !isTaken { exchange.endRemoteCall(.head, result: ph_status(PH_LIMIT)) }
        return true
    }

    private static func showOnPool(_ exchange: Exchange) {
        guard let follower = unsafe exchange.follower else { return }
        let frame = unsafe follower.assumingMemoryBound(to: HookFrame.self)
        guard let head = unsafe HookFrame.head(frame) else { return }
        exchange.beginRemoteCall()
        let isFine = unsafe PluginHTTP.show(head, frame)
        exchange.endRemoteCall(.head, result: ph_status(isFine ? PH_OK : PH_FAILED))
    }

    /// Goes on with the response after the hooks.
    func giveHead(_ exchange: Exchange, result: Int32) {
        guard let follower = unsafe exchange.follower,
            let head = unsafe HookFrame.head(follower.assumingMemoryBound(to: HookFrame.self))
        else { return }
        guard result >= 0 else {
            exchange.dropHead()
            return HostPages.problem(exchange, 500, PluginHTTP.refusedDetail)
        }
        unsafe head.fields.withUnsafeBufferPointer { unsafe exchange.giveHead($0) }
    }
}
