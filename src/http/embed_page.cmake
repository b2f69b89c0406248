# Makes a C++ file of the page: cmake -DPAGE=page.html -DOUTPUT=page.cc -P embed_page.cmake
# As single bytes: a literal may not be as long as a page is.
cmake_minimum_required(VERSION 3.25)
file(READ ${PAGE} hex HEX)
string(LENGTH "${hex}" digits)
set(bytes "")
set(at 0)
while(at LESS digits)
  string(SUBSTRING "${hex}" ${at} 64 line)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," line "${line}")
  string(APPEND bytes "    ${line}\n")
  math(EXPR at "${at} + 64")
endwhile()
file(WRITE ${OUTPUT}
"#include \"http/page.h\"
namespace pipedup::http {
namespace {
constexpr char kBytes[] = {
${bytes}};
}  // namespace
const std::string_view kPage(kBytes, sizeof kBytes);
}  // namespace pipedup::http
")
