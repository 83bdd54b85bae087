#pragma once

#include <pluginhost/plugin.h>

#include <string_view>
#include <utility>

/// The response that is owed for one request. Whoever holds it completes it; if it is destroyed
/// before, it cuts the connection.
class Response {
public:
    Response(const ph_http *http, ph_response *response) noexcept
        : http_(http), response_(response) {}
    Response(Response &&other) noexcept
        : http_(other.http_), response_(std::exchange(other.response_, nullptr)) {}
    Response &operator=(Response &&) = delete;
    ~Response() {
        if (response_)
            http_->abort(response_);
    }

    /// Completes it with JSON. If the host refuses the call, the response is still owed.
    ph_status json(uint32_t status, std::string_view text) noexcept {
        static const ph_header header = {PH_TEXT_INIT("Content-Type"),
                                         PH_TEXT_INIT("application/json")};
        ph_status result = http_->respond(response_, status, &header, 1,
                                          ph_bytes_make(text.data(), text.size()));
        if (result >= 0 || result == PH_CLOSED)
            response_ = nullptr;
        return result;
    }

    /// Leaves the response to the host, which answers 500 when handle returns an error.
    void release() noexcept { response_ = nullptr; }

private:
    const ph_http *http_;
    ph_response *response_;
};
