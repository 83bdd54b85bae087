extension Exchange {
    /// Cuts the connection because the request cannot go on; the response is still owed, and
    /// `onClosed` follows.
    public func cut() {
        guard let connection = state.connection else { return }
        connection.state.isBroken = true
        schedule()
    }
}
