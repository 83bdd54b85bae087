#pragma once

#include "response.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

/// A thread that counts the words of request bodies, in the order they came.
class Worker {
public:
    Worker();
    /// Completes what was taken, then ends the thread.
    ~Worker();
    Worker(const Worker &) = delete;
    Worker &operator=(const Worker &) = delete;

    /// Takes the response, which it completes later; the body stays valid until then. If it
    /// throws, which is std::bad_alloc, it has not taken the response.
    void add(std::string_view body, Response &&response);

private:
    struct Job {
        Job(std::string_view body, Response &&response)
            : body(body), response(std::move(response)) {}
        std::string_view body;
        Response response;
    };

    void run();

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Job> jobs_;
    bool is_stopping_ = false;
    std::thread thread_; // last: it uses all the others
};
