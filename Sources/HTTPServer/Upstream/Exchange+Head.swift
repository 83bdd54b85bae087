public import HTTPWire

extension Exchange {
    /// Gives the client the response whose head `Application.takesHead` has taken, with these
    /// fields; within `Application.returned`.
    ///
    /// Nothing happens if the response has come to an end meanwhile.
    public func giveHead(_ fields: UnsafeBufferPointer<HeaderField>) {
        guard !isComplete else { return }
        unsafe UpstreamConnection.of(state.observer.context)?.release(fields)
    }

    /// Lets go of that response: it is the application's to answer from here on.
    public func dropHead() {
        guard !isComplete else { return }
        unsafe UpstreamConnection.of(state.observer.context)?.letGo()
    }
}
