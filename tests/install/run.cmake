# Installs BUILD_DIR into a scratch directory, builds tests/install against it, and runs that.
# cmake -DBUILD_DIR=... -DSOURCE_DIR=... -DWORK_DIR=... -DGENERATOR=... -DCXX=... -DFLAGS=... -P run.cmake
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
run(${WORK_DIR}/build/user)
run(${WORK_DIR}/prefix/bin/pipedup-pub --version)
run(${WORK_DIR}/prefix/bin/pipedup-sub --version)
run(${WORK_DIR}/prefix/bin/pipedup-tee --version)
run(${WORK_DIR}/prefix/bin/pipedup-top --version)
run(${WORK_DIR}/prefix/bin/pipedup-keygen --version)
file(REMOVE_RECURSE ${WORK_DIR})
