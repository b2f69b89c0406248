# Manual pages: prose of docs/man, with the options of the program of that name.
set(prose_dir ${PROJECT_SOURCE_DIR}/docs/man)
set(man_dir ${CMAKE_CURRENT_BINARY_DIR}/man)
file(MAKE_DIRECTORY ${man_dir})
file(GLOB pages CONFIGURE_DEPENDS RELATIVE ${prose_dir} ${prose_dir}/*.scd)
foreach(prose IN LISTS pages)
  string(REGEX MATCH "^(.*)\\.([0-9])\\.scd$" page ${prose})
  set(program ${CMAKE_MATCH_1})
  set(section ${CMAKE_MATCH_2})
  set(page ${man_dir}/${program}.${section})
  set(program_file)
  if(program IN_LIST programs)
    set(program_file $<TARGET_FILE:${program}>)
  else()
    set(program)  # an overview
  endif()
  add_custom_command(OUTPUT ${page}
    COMMAND ${CMAKE_COMMAND} -DPROSE=${prose_dir}/${prose} -DPAGE=${page}
            -DPROGRAM=${program_file} -DPROJECT_VERSION=${PROJECT_VERSION}
            -DDATE=${PIPEDUP_RELEASE_DATE} -DSCDOC=${SCDOC}
            -P ${CMAKE_CURRENT_SOURCE_DIR}/assemble_page.cmake
    DEPENDS ${program} ${prose_dir}/${prose} assemble_page.cmake
    COMMENT "Manual page ${prose}" VERBATIM)
  list(APPEND made_files ${page})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
