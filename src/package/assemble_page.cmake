# Makes a manual page of its prose and of what its program says of its options.
# cmake -DPROSE=x.1.scd -DPAGE=x.1 -DPROGRAM=x -DPROJECT_VERSION=1.2.3 -DDATE=SECONDS -DSCDOC=scdoc -P ...
cmake_minimum_required(VERSION 3.25)
if(PROGRAM)
  execute_process(COMMAND ${PROGRAM} --generate man OUTPUT_VARIABLE OPTIONS
    COMMAND_ERROR_IS_FATAL ANY)
endif()
configure_file(${PROSE} ${PAGE}.scd @ONLY)
set(ENV{SOURCE_DATE_EPOCH} ${DATE})
execute_process(COMMAND ${SCDOC} INPUT_FILE ${PAGE}.scd OUTPUT_FILE ${PAGE}
  COMMAND_ERROR_IS_FATAL ANY)
