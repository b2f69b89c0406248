# Installs BUILD_DIR into a scratch directory, builds the examples of clients/cpp against it by CMake
# and by pkg-config, and runs both.
# cmake -DBUILD_DIR=... -DSOURCE_DIR=.../clients/cpp -DUSE=.../use -DWORK_DIR=... -DLIBDIR=lib -DGENERATOR=... -DCXX=... -DFLAGS=...
#   -P run.cmake
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "failed (${status}): ${ARGV}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK_DIR})
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/prefix)
run(${CMAKE_COMMAND} -S ${SOURCE_DIR} -B ${WORK_DIR}/build -G ${GENERATOR}
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_CXX_FLAGS=${FLAGS} -DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix)
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build)
run(${USE} ${WORK_DIR}/build/publish ${WORK_DIR}/build/subscribe)

# Moved first: neither way may depend on where it was installed.
file(RENAME ${WORK_DIR}/prefix ${WORK_DIR}/moved)
set(ENV{PKG_CONFIG_PATH} ${WORK_DIR}/moved/${LIBDIR}/pkgconfig)
execute_process(COMMAND pkg-config --cflags --libs pipedup
  OUTPUT_VARIABLE from_pkg_config OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(from_pkg_config)
foreach(program publish subscribe)
  run(${CXX} ${FLAGS} -std=c++20 ${SOURCE_DIR}/${program}.cc -o ${WORK_DIR}/${program} ${from_pkg_config})
endforeach()
run(${USE} ${WORK_DIR}/publish ${WORK_DIR}/subscribe)
file(RENAME ${WORK_DIR}/moved ${WORK_DIR}/prefix)

run(${WORK_DIR}/prefix/bin/pipedup-pub --version)
run(${WORK_DIR}/prefix/bin/pipedup-sub --version)
run(${WORK_DIR}/prefix/bin/pipedup-tee --version)
run(${WORK_DIR}/prefix/bin/pipedup-top --version)
run(${WORK_DIR}/prefix/bin/pipedup-keygen --version)

# Staged, as packages are made: nothing is put beside DESTDIR.
set(ENV{DESTDIR} ${WORK_DIR}/stage)
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/staged)
unset(ENV{DESTDIR})
set(staged ${WORK_DIR}/stage${WORK_DIR}/staged)
foreach(file bin/pipedup-pub include/pipedup/subscribe.h ${LIBDIR}/libpipedup.a)
  if(NOT EXISTS ${staged}/${file} OR EXISTS ${WORK_DIR}/staged)
    message(FATAL_ERROR "DESTDIR: ${file} is not there")
  endif()
endforeach()
file(REMOVE_RECURSE ${WORK_DIR})
