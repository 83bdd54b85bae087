/// What is made of the verbs and their options for other programs: `host generate KIND`.
///
/// The verb is for `make install`, and is not listed.
enum Generator {
    static let verb = "generate"

    /// The text of a kind; nil when there is no such kind.
    ///
    /// - Parameter binary: where the command will be.
    static func text(_ kind: String, binary: String) -> String? {
        switch kind {
        case "man": ManPage.text
        case "bash": Completions.bash
        case "zsh": Completions.zsh
        case "fish": Completions.fish
        case "unit": ServiceUnit.service(binary)
        case "socket": ServiceUnit.socket
        default: nil
        }
    }
}
