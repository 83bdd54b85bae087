/* A content handler as a dynamic module: the plugin that a C programmer would write for nginx. What
 * ends in "megabyte" is answered with one. */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

static ngx_str_t hello = ngx_string("{\"message\":\"Hello, World!\"}");
static u_char zeros[1 << 20];
static ngx_str_t megabyte = { sizeof zeros, zeros };

static ngx_int_t handle(ngx_http_request_t *request) {
    ngx_chain_t output;
    ngx_str_t uri = request->uri;
    ngx_str_t body = uri.len > 8 && ngx_memcmp(uri.data + uri.len - 8, "megabyte", 8) == 0
                         ? megabyte
                         : hello;
    ngx_http_discard_request_body(request);
    request->headers_out.status = NGX_HTTP_OK;
    request->headers_out.content_length_n = (off_t)body.len;
    ngx_str_set(&request->headers_out.content_type, "application/json");
    request->headers_out.content_type_len = request->headers_out.content_type.len;
    if (ngx_http_send_header(request) != NGX_OK)
        return NGX_ERROR;
    ngx_buf_t *buffer = ngx_calloc_buf(request->pool);
    if (!buffer)
        return NGX_ERROR;
    buffer->pos = body.data;
    buffer->last = body.data + body.len;
    buffer->memory = 1;
    buffer->last_buf = 1;
    output.buf = buffer;
    output.next = NULL;
    return ngx_http_output_filter(request, &output);
}

static char *mount(ngx_conf_t *configuration, ngx_command_t *command, void *context) {
    (void)command, (void)context;
    ngx_http_core_loc_conf_t *location =
        ngx_http_conf_get_module_loc_conf(configuration, ngx_http_core_module);
    location->handler = handle;
    return NGX_CONF_OK;
}

static ngx_command_t commands[] = {
    { ngx_string("hello_plugin"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, mount, 0, 0, NULL },
    ngx_null_command,
};
static ngx_http_module_t functions = { 0 };
ngx_module_t ngx_http_hello_module = {
    NGX_MODULE_V1, &functions, commands, NGX_HTTP_MODULE, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NGX_MODULE_V1_PADDING,
};
