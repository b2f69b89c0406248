# cpack makes two packages: pipedup, and libpipedup-dev for those who build on the library.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME pipedup)
set(CPACK_PACKAGE_VENDOR "the pipedup authors")
set(PIPEDUP_MAINTAINER "the pipedup authors <pipedup@packages.invalid>" CACHE STRING
  "Maintainer of the Debian packages: whoever makes them")
set(CPACK_PACKAGE_CONTACT ${PIPEDUP_MAINTAINER})
# In its place each package has a description of its own.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL pipedup dev)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_BINARY_DIR}/stage.cmake)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_BINARY_DIR}/cpack_date.cmake)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS OFF)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_PIPEDUP_PACKAGE_NAME pipedup)
set(CPACK_DEBIAN_PIPEDUP_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PIPEDUP_PACKAGE_SHLIBDEPS ON)
set(CPACK_COMPONENT_PIPEDUP_DESCRIPTION "one program's output, live, in many programs' input
pipedup-pub publishes what a program writes, pipedup-sub writes it to
programs here and on other machines, byte for byte. A slow reader holds up
nobody, a late one begins with what is kept, and what could not be delivered
is reported exactly. pipedup-relay passes streams on, pipedup-tee does the
same on one machine.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libpipedup-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libzmq3-dev (>= 4.3.4), libxxhash-dev, libzstd-dev")
if(PIPEDUP_NATS)
  string(APPEND CPACK_DEBIAN_DEV_PACKAGE_DEPENDS ", libnats-dev")
endif()
set(CPACK_COMPONENT_DEV_DESCRIPTION "subscribe to pipedup streams from C++ (development files)
The header files and the static library by which a C++20 program reads
streams that pipedup-pub publishes, for CMake (find_package) and pkg-config.")

set(ENV{SOURCE_DATE_EPOCH} ${PIPEDUP_RELEASE_DATE})
string(TIMESTAMP release_date_text "%a, %d %b %Y %H:%M:%S +0000" UTC)
unset(ENV{SOURCE_DATE_EPOCH})
foreach(file stage.cmake cpack_date.cmake changelog)
  configure_file(debian/${file}.in ${CMAKE_CURRENT_BINARY_DIR}/${file} @ONLY)
endforeach()
include(CPack)
